"""The API of the package `ringbuffer`, on a ring without locks.

A program changes only its import:

>>> from seqring.compat import ringbuffer
>>> ring = ringbuffer.RingBuffer(slot_bytes=16, slot_count=4)
>>> ring.new_writer()
>>> pointer = ring.new_reader()
>>> ring.try_write(b"hello")
>>> ring.try_read(pointer)
bytearray(b'hello')
>>> ring.writer_done()
>>> ring.blocking_read(pointer)
Traceback (most recent call last):
seqring.compat.ringbuffer._errors.WriterFinishedError: every message was read, and every writer is done
>>> ring.close()

Where the original hangs, this raises: `WriterDiedError` when a writer's process was killed,
`PointerInUseError` when two processes read by one pointer. Additions are optional: `timeout=`,
`blocking_write`, `overwrite=True`.
"""

from seqring.compat.ringbuffer._errors import (
    AlreadyClosedError,
    DataTooLargeError,
    Error,
    InternalLockingError,
    MustCreatedReadersBeforeWritingError,
    PointerInUseError,
    TimedOutError,
    WaitingForReaderError,
    WaitingForWriterError,
    WriterDiedError,
    WriterFinishedError,
)
from seqring.compat.ringbuffer._readers_writer_lock import ReadersWriterLock
from seqring.compat.ringbuffer._pointer import Pointer, Position
from seqring.compat.ringbuffer._ring_buffer import RingBuffer
from seqring.compat.ringbuffer._slot_array import SlotArray

__all__ = [
    "AlreadyClosedError",
    "DataTooLargeError",
    "Error",
    "InternalLockingError",
    "MustCreatedReadersBeforeWritingError",
    "Pointer",
    "PointerInUseError",
    "Position",
    "ReadersWriterLock",
    "RingBuffer",
    "SlotArray",
    "TimedOutError",
    "WaitingForReaderError",
    "WaitingForWriterError",
    "WriterDiedError",
    "WriterFinishedError",
]
