"""What can go wrong. All are `Error`s; where the standard library has a class for a case, they are of that class too.

>>> Lagged(3).missed
3
>>> str(TimedOut("room", "reader", 4711, 8))
'no room within the timeout; waiting for the reader of process 4711, 8 messages behind'

They pickle, with what they carry.
"""

from __future__ import annotations

import queue


class Error(Exception):
    """The base of all of seqring's exceptions."""


class Lagged(Error):
    """A reader was overtaken, or moved by others: `missed` messages are gone for it. Its next call goes on after them.

    `batch` has what a batch had read before that; empty otherwise.
    """

    def __init__(self, missed: int) -> None:
        super().__init__(missed)
        self.missed = missed
        self.batch: list[bytearray] = []

    def __str__(self) -> str:
        return f"{self.missed} messages were overwritten or skipped before they were read; the reader goes on after them"


class Closed(Error):
    """For readers: every message was read and no writer is left. For writers: the ring was shut down."""


class PeerDied(Closed):
    """The last writer, of process `pid`, died and did not leave: what it published was read. Told once for each death, also
    if another writer came meanwhile: read on. If none did, the next call raises `Closed`, of which this is a subclass."""

    def __init__(self, pid: int, role: str) -> None:
        super().__init__(pid, role)
        self.pid = pid
        self.role = role

    def __str__(self) -> str:
        return f"the {self.role} of process {self.pid} died; all that it published was read, and another may go on"


class TimedOut(Error, TimeoutError):
    """Nothing came within the timeout. `role`, `pid` and `lag` say who is waited for, where that is known."""

    def __init__(self, what: str = "message", role: str | None = None, pid: int | None = None, lag: int = 0) -> None:
        super().__init__(what, role, pid, lag)
        self.what = what
        self.role = role
        self.pid = pid
        self.lag = lag

    def __str__(self) -> str:
        text = f"no {self.what} within the timeout"
        if self.pid is None:
            return text
        return f"{text}; waiting for the {self.role} of process {self.pid}, {self.lag} messages behind"


class Empty(Error, queue.Empty):
    """`Queue.get` found nothing."""


class Full(Error, queue.Full):
    """`Queue.put` found no room."""


class TooLarge(Error, ValueError):
    """A message, or its metadata, of `size` bytes does not fit into `limit`."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(size, limit)
        self.size = size
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.size} bytes do not fit into {self.limit}"


class TooSmall(Error, ValueError):
    """The caller's buffer is too small: `needed` bytes are. The message is still there."""

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.needed = needed

    def __str__(self) -> str:
        return f"the buffer must have {self.needed} bytes; nothing was lost"


class FrameMismatch(Error, ValueError):
    """What was to be written is no frame of the ring: `wanted` and `found` say shape and elements."""

    def __init__(self, wanted: str, found: str) -> None:
        super().__init__(wanted, found)
        self.wanted = wanted
        self.found = found

    def __str__(self) -> str:
        return f"the ring's frames are {self.wanted}, not {self.found}"


class Corrupt(Error):
    """The segment holds what no correct peer writes, or is no ring that this version understands."""


class Busy(Error, RuntimeError):
    """A view or claim of this reader, taker or writer is still open."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"this {self.what} has a view or claim that is still open; release it, and the arrays made from it, first"


class Forked(Error, RuntimeError):
    """The object is another process's: this one was forked from it."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"this {self.what} belongs to the process that this one was forked from; make another of the ring"


class JoinError(Error):
    """A reader, writer or taker could not join."""


class WriterTaken(JoinError):
    """The ring has one writer at a time, and that of process `pid` lives."""

    def __init__(self, text: str, pid: int) -> None:
        super().__init__(text, pid)
        self.pid = pid

    def __str__(self) -> str:
        return str(self.args[0])


class TableFull(JoinError):
    """All `participants` entries of the ring are taken."""

    def __init__(self, text: str, participants: int) -> None:
        super().__init__(text, participants)
        self.participants = participants

    def __str__(self) -> str:
        return str(self.args[0])


class RingExists(Error, FileExistsError):
    """A ring of this name exists."""


class RingNotFound(Error, FileNotFoundError):
    """No ring of this name exists."""


class NotPermitted(Error, PermissionError):
    """The ring belongs to another user."""


class NoSpace(Error, OSError):
    """/dev/shm has no room for it."""
