"""The exceptions of `ringbuffer`, with texts, and exceptions for cases in which it hangs. They
pickle."""

from __future__ import annotations


class Error(Exception):
    """The base of these exceptions."""


class DataTooLargeError(Error, ValueError):
    """The data do not fit into a slot."""


class WaitingForReaderError(Error):
    """The ring is full: a reader has not read the oldest message."""


class WaitingForWriterError(Error):
    """There is no message yet."""


class WriterFinishedError(Error):
    """Every message was read, and every writer is done, or none was announced."""


class AlreadyClosedError(Error):
    """No writer is active."""


class MustCreatedReadersBeforeWritingError(Error):
    """A message was written already, which a new reader would miss."""


class InternalLockingError(Error):
    """A lock is misused."""


class WriterDiedError(Error):
    """Every message was read, and a writer's process ended without `writer_done()`. `pid` is that
    process."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self.pid = pid

    def __str__(self) -> str:
        return f"the writer in process {self.pid} ended without writer_done(); every message it wrote was read"


class PointerInUseError(Error):
    """Process `pid` reads by this pointer, or did: a pointer belongs to one reader."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self.pid = pid

    def __str__(self) -> str:
        return f"process {self.pid} reads by this pointer, or did until it ended; make a pointer for each reader"


class TimedOutError(Error, TimeoutError):
    """The timeout passed."""
