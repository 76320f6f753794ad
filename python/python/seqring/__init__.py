"""Lock-free ring buffers in shared memory, between threads and processes.

>>> import seqring
>>> with seqring.Ring.create(slots=8, slot_bytes=64) as ring:
...     reader = ring.reader()
...     with ring.writer() as writer:
...         _ = writer.write(b"hello")
...         _ = writer.write(b"world")
...     [bytes(message) for message in reader]  # Ends when the last writer leaves.
[b'hello', b'world']

One process creates a `Ring`. Others open it by name, or receive it: it pickles to its name. A `Writer`
publishes messages. Each `Reader` sees all of them; in a ring with `delivery="queue"` the `Taker`s share
them. `Queue` has `put` and `get`. In a `Pipeline`, producers make numbered items.
"""

from seqring import mirror
from seqring._aio import Messages, Views
from seqring._lifetime import close_at_signal, gc
from seqring._seqring import Caller, Claim, Observer, Parked, Reader, Ring, Server, Taker, View, Words, Writer, __version__
from seqring._stats import Capabilities, Participant, Stats
from seqring.errors import (
    Busy,
    Closed,
    Corrupt,
    Empty,
    Error,
    Forked,
    FrameMismatch,
    Full,
    RegisterError,
    Lagged,
    PeerDied,
    NoServer,
    NoSpace,
    NotPermitted,
    RingExists,
    RingNotFound,
    ShutDown,
    TableFull,
    TimedOut,
    TooLarge,
    TooSmall,
    Unanswered,
    Unusable,
    WriterTaken,
)
from seqring.pipeline import Pipeline
from seqring.queue import Queue

__all__ = [
    "Busy",
    "Caller",
    "Capabilities",
    "Claim",
    "Closed",
    "Corrupt",
    "Empty",
    "Error",
    "Forked",
    "FrameMismatch",
    "Full",
    "RegisterError",
    "Lagged",
    "Messages",
    "PeerDied",
    "NoServer",
    "NoSpace",
    "NotPermitted",
    "Observer",
    "Parked",
    "Participant",
    "Pipeline",
    "Queue",
    "Reader",
    "Ring",
    "RingExists",
    "RingNotFound",
    "Server",
    "ShutDown",
    "Stats",
    "TableFull",
    "Taker",
    "TimedOut",
    "TooLarge",
    "TooSmall",
    "Unanswered",
    "Unusable",
    "View",
    "Views",
    "Words",
    "Writer",
    "WriterTaken",
    "__version__",
    "close_at_signal",
    "gc",
    "mirror",
]
