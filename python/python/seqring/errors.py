"""The exceptions. All derive from `Error`, and from the standard library's class for the case, if
it has one.

>>> Lagged(3).lost
3
>>> str(TimedOut("room", "reader", 4711, 8))
'no room within the timeout; waiting for the reader of process 4711, 8 messages behind'

They pickle with their attributes.
"""

from __future__ import annotations

import queue
import sys
from typing import Any


class Error(Exception):
    """The base of all exceptions of seqring."""


class Lagged(Error):
    """Messages were overwritten or skipped before they were read: `lost` is how many. The reader's next
    call reads the message after them.

    `batch` holds the messages that a batch had read before the gap; empty otherwise.
    """

    def __init__(self, lost: int) -> None:
        super().__init__(lost)
        self.lost = lost
        self.batch: list[Any] = []

    def __str__(self) -> str:
        return f"{self.lost} messages were overwritten or skipped before they were read; the next read continues after them"


class Closed(Error):
    """For readers: every message was read and no writer is registered. For writers: the ring was
    shut down."""


if sys.version_info >= (3, 13):

    class ShutDown(Closed, queue.ShutDown):
        """`Queue.put`, or `Queue.get` of an empty queue, after `Queue.shutdown`. From Python 3.13 on a
        `queue.ShutDown`."""

else:

    class ShutDown(Closed):
        """`Queue.put`, or `Queue.get` of an empty queue, after `Queue.shutdown`. From Python 3.13 on a
        `queue.ShutDown`."""


class PeerDied(Closed):
    """The writer of process `pid` died without leaving, and every message that it published was
    read.

    Raised once for each death. If another writer has joined, the next read succeeds; otherwise it raises
    `Closed`, the base of this class.
    """

    def __init__(self, pid: int, role: str) -> None:
        super().__init__(pid, role)
        self.pid = pid
        self.role = role

    def __str__(self) -> str:
        return f"the {self.role} of process {self.pid} died; every message that it published was read, and another writer may continue"


class Unanswered(Error):
    """A question has no answer, and will have none.

    The server of process `pid` died with it, and may have acted on it. With `None` a server refused it, or
    another thread asked the same caller another question.
    """

    def __init__(self, text: str, pid: int | None) -> None:
        super().__init__(text, pid)
        self.pid = pid

    def __str__(self) -> str:
        return str(self.args[0])


class NoServer(Unanswered):
    """No server is left, and the last one did not take the question, which waits for the next one.

    The last server was that of process `pid`, which died; with `None` it left.
    """


class TimedOut(Error, TimeoutError):
    """The timeout passed. `role`, `pid` and `lag` describe the process that was waited for, if it
    is known; with the role "server" and no `pid`, no server has joined. `awaited_readers` is how many
    readers must join first (`await_readers`)."""

    def __init__(
        self,
        what: str = "message",
        role: str | None = None,
        pid: int | None = None,
        lag: int = 0,
        awaited_readers: int = 0,
    ) -> None:
        super().__init__(what, role, pid, lag, awaited_readers)
        self.what = what
        self.role = role
        self.pid = pid
        self.lag = lag
        self.awaited_readers = awaited_readers

    def __str__(self) -> str:
        text = f"no {self.what} within the timeout"
        if self.awaited_readers > 0:
            readers = "reader" if self.awaited_readers == 1 else "readers"
            return f"{text}; the ring awaits {self.awaited_readers} more {readers}"
        if self.pid is None:
            return f"{text}; no server has joined yet" if self.role == "server" else text
        behind = "" if self.role == "server" else f", {self.lag} messages behind"
        return f"{text}; waiting for the {self.role} of process {self.pid}{behind}"


class Empty(Error, queue.Empty):
    """`Queue.get` found nothing."""


class Full(Error, queue.Full):
    """`Queue.put` found no room."""


class TooLarge(Error, ValueError):
    """A message, or its metadata, of `size` bytes does not fit into `limit`."""

    def __init__(self, size: int, limit: int, what: str = "a message") -> None:
        super().__init__(size, limit, what)
        self.size = size
        self.limit = limit
        self.what = what

    def __str__(self) -> str:
        ring, room = {"metadata": ("ring", "meta_bytes"), "an item": ("queue", "item_bytes")}.get(self.what, ("ring", "slot_bytes"))
        return f"{self.what} of {self.size} bytes does not fit into {self.limit}: the {ring} was created with {room}={self.limit}"


class TooSmall(Error, ValueError):
    """The caller's buffer is too small: it needs `needed` bytes. The message was not lost."""

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.needed = needed

    def __str__(self) -> str:
        return f"out: the buffer must have {self.needed} bytes; no message was lost"


class FrameMismatch(Error, ValueError):
    """An argument is not a frame of the ring. `wanted` and `found` describe shape and elements."""

    def __init__(self, wanted: str, found: str, argument: str = "data") -> None:
        super().__init__(wanted, found, argument)
        self.wanted = wanted
        self.found = found
        self.argument = argument

    def __str__(self) -> str:
        return f"{self.argument}: the ring's frames are {self.wanted}, not {self.found}"


class Unusable(Error):
    """What has this name cannot be used so: it is no ring of this version, allows no observers, or has
    other properties than those asked for."""


class Corrupt(Unusable):
    """The segment holds values that no correct peer writes."""


class Busy(Error, RuntimeError):
    """A view or claim of this reader, taker or writer is still open."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"this {self.what} has an open view or claim; release it, and the arrays made from it, first"


class Forked(Error, RuntimeError):
    """The object belongs to the parent of this forked process."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"this {self.what} belongs to the parent of this forked process; make another from the ring"


class RegisterError(Error):
    """A reader, writer or taker could not register."""


class WriterTaken(RegisterError):
    """The ring has one writer at a time, and the writer of process `pid` is alive. `pid` is `None` while
    it registers."""

    def __init__(self, text: str, pid: int | None) -> None:
        super().__init__(text, pid)
        self.pid = pid

    def __str__(self) -> str:
        return str(self.args[0])


class TableFull(RegisterError):
    """All `participants` entries of the ring are taken."""

    def __init__(self, text: str, participants: int) -> None:
        super().__init__(text, participants)
        self.participants = participants

    def __str__(self) -> str:
        return str(self.args[0])


class RingExists(Error, FileExistsError):
    """A ring of this name exists."""


class RingNotFound(Error, FileNotFoundError):
    """No ring of this name exists; or the directory for a new one does not."""


class NotPermitted(Error, PermissionError):
    """The ring belongs to another user."""


class NoSpace(Error, OSError):
    """/dev/shm has no room for the ring or a buffer."""
