"""How a pipeline fails. All are `PipelineError`s; what a worker said comes with its traceback.

>>> error = ItemFailed(7, 1, 2, "ValueError: no image", "Traceback …")
>>> error.number, error.producer, error.tries
(7, 1, 2)
>>> str(error)
'item 7: producer 1 failed, at try 2: ValueError: no image\\n\\nTraceback …'

They pickle, with what they carry.
"""

from __future__ import annotations

from seqring.errors import Error


class PipelineError(Error):
    """The base of them. Where nothing more is known, its text says what is the matter."""


class ItemFailed(PipelineError):
    """A producer failed at an item, `tries` times in all. `message` and `traceback` are the worker's."""

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
    """A producer was not done with an item within `produce_timeout`."""


class WorkerDied(PipelineError):
    """A worker's process ended. `worker` says which one, `number` at which item it was, if it was at one."""

    def __init__(self, worker: str, message: str, number: int | None = None) -> None:
        super().__init__(worker, message, number)
        self.worker = worker
        self.message = message
        self.number = number

    def __str__(self) -> str:
        where = "" if self.number is None else f"item {self.number}: "
        return f"{where}{self.worker} {self.message}"


class BuildFailed(PipelineError):
    """`build` of a worker failed, or did not end in time."""

    def __init__(self, worker: str, message: str, traceback: str = "") -> None:
        super().__init__(worker, message, traceback)
        self.worker = worker
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        return with_traceback(f"{self.worker} was not built: {self.message}", self.traceback)


class CommanderFailed(PipelineError):
    """The commander failed at the message of that number."""

    def __init__(self, number: int, message: str, traceback: str = "") -> None:
        super().__init__(number, message, traceback)
        self.number = number
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        return with_traceback(f"the commander failed at message {self.number}: {self.message}", self.traceback)


class Stuck(PipelineError):
    """Workers did not end within two seconds after the pipeline was stopped: threads in code that does not return."""

    def __init__(self, workers: str) -> None:
        super().__init__(workers)
        self.workers = workers

    def __str__(self) -> str:
        return f"stopped, but for {self.workers}: still in its own code"


class ArrayMismatch(PipelineError, ValueError):
    """What a producer made is not what the pipeline's items are."""


def with_traceback(text: str, traceback: str) -> str:
    return f"{text}\n\n{traceback}" if traceback else text
