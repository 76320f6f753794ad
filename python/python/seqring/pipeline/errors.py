"""The exceptions of pipelines. All derive from `PipelineError`; a worker's error comes with its
traceback.

>>> error = ItemFailed(7, 1, 2, "ValueError: no image", "Traceback …")
>>> error.number, error.producer, error.tries
(7, 1, 2)
>>> str(error)
'item 7: producer 1 failed, at try 2: ValueError: no image\\n\\nTraceback …'

They pickle with their attributes.
"""

from __future__ import annotations

from seqring.errors import Error


class PipelineError(Error):
    """The base of these exceptions; itself raised when no subclass fits."""


class ItemFailed(PipelineError):
    """A producer failed at an item, `tries` times in total. `message` and `traceback` are the
    worker's."""

    def __init__(self, number: int, producer: int, tries: int, message: str, traceback: str = "") -> None:
        super().__init__(number, producer, tries, message, traceback)
        self.number = number
        self.producer = producer
        self.tries = tries
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        text = f"item {self.number}: producer {self.producer} failed, at try {self.tries}: {self.message}"
        return with_traceback(text, self.traceback)


class ItemTimedOut(ItemFailed, TimeoutError):
    """A producer did not finish an item within `produce_timeout`."""


class WorkerDied(PipelineError):
    """A worker's process ended. `worker` names it; `number` is the item that it was making, if
    any."""

    def __init__(self, worker: str, message: str, number: int | None = None) -> None:
        super().__init__(worker, message, number)
        self.worker = worker
        self.message = message
        self.number = number

    def __str__(self) -> str:
        where = "" if self.number is None else f"item {self.number}: "
        return f"{where}{self.worker} {self.message}"


class BuildFailed(PipelineError):
    """`build` of a worker failed, or took too long."""

    def __init__(self, worker: str, message: str, traceback: str = "") -> None:
        super().__init__(worker, message, traceback)
        self.worker = worker
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        return with_traceback(f"{self.worker} was not built: {self.message}", self.traceback)


class CommanderFailed(PipelineError):
    """The commander failed at message `number`."""

    def __init__(self, number: int, message: str, traceback: str = "") -> None:
        super().__init__(number, message, traceback)
        self.number = number
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        return with_traceback(f"the commander failed at message {self.number}: {self.message}", self.traceback)


class Stuck(PipelineError):
    """Workers did not end within two seconds after `stop`: threads in code that does not return."""

    def __init__(self, workers: str) -> None:
        super().__init__(workers)
        self.workers = workers

    def __str__(self) -> str:
        return f"the pipeline stopped, but {self.workers} did not: still in user code"


class ArrayMismatch(PipelineError, ValueError):
    """The data of a producer do not have the shapes and element types of the pipeline's items."""


def with_traceback(text: str, traceback: str) -> str:
    return f"{text}\n\n{traceback}" if traceback else text
