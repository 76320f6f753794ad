"""The exceptions for cases in which `concurrentbuffer` hangs or silently fails."""

from __future__ import annotations

from seqring.pipeline.errors import (
    ArrayMismatch,
    BuildFailed,
    CommanderFailed,
    ItemFailed,
    ItemTimedOut,
    PipelineError,
    WorkerDied,
)

__all__ = [
    "ArrayMismatch",
    "BufferNotHeldError",
    "BuffersHeldError",
    "BuildFailed",
    "CommanderFailed",
    "Error",
    "ItemFailed",
    "ItemTimedOut",
    "WorkerDied",
]

Error = PipelineError
"""The base of these exceptions."""


class BuffersHeldError(PipelineError):
    """All `count` buffers hold items that were taken and not freed."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count

    def __str__(self) -> str:
        return (
            f"all {self.count} buffers are held: free one by buffer_state_memory.update_buffer_id_to_free, or iterate "
            "with auto_free_buffer=True"
        )


class BufferNotHeldError(PipelineError, KeyError):
    """The buffer `buffer_id` holds no item that was taken."""

    def __init__(self, buffer_id: int) -> None:
        super().__init__(buffer_id)
        self.buffer_id = buffer_id

    def __str__(self) -> str:
        return f"buffer {self.buffer_id} holds no item: take one first"
