"""Lock-free ring buffers in shared memory, between threads and processes.

>>> import seqring
>>> with seqring.Ring.create(slots=8, slot_bytes=64) as ring:
...     reader = ring.reader()
...     with ring.writer() as writer:
...         _ = writer.write(b"hello")
...         _ = writer.write(b"world")
...     [bytes(message) for message in reader]  # Ends where the last writer left.
[b'hello', b'world']

A `Ring` is made once and opened by name, or sent to other processes: it pickles to its name. Messages go in through a
`Writer`, and come out through `Reader`s, each of which sees all, or, in a ring of `delivery="queue"`, through `Taker`s,
which share them. `Queue` has `put` and `get`. A `Pipeline` has producers make numbered items.
"""

from seqring._seqring import Claim, Observer, Parked, Reader, Ring, Taker, View, Words, Writer
from seqring._stats import Participant, Stats
from seqring.errors import (
    Busy,
    Closed,
    Corrupt,
    Empty,
    Error,
    Forked,
    FrameMismatch,
    Full,
    JoinError,
    Lagged,
    PeerDied,
    NoSpace,
    NotPermitted,
    RingExists,
    RingNotFound,
    TableFull,
    TimedOut,
    TooLarge,
    TooSmall,
    WriterTaken,
)
from seqring.pipeline import Pipeline
from seqring.queue import Queue

__all__ = [
    "Busy",
    "Claim",
    "Closed",
    "Corrupt",
    "Empty",
    "Error",
    "Forked",
    "FrameMismatch",
    "Full",
    "JoinError",
    "Lagged",
    "PeerDied",
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
    "Stats",
    "TableFull",
    "Taker",
    "TimedOut",
    "TooLarge",
    "TooSmall",
    "View",
    "Words",
    "Writer",
    "WriterTaken",
]
