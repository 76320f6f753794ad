"""`RingBuffer`: lossless broadcast from any number of writers to any number of readers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from seqring import _lifetime, errors
from seqring._seqring import Ring, RingBufferBase, Writer
from seqring.compat.ringbuffer import _active_writers, _readers_writer_lock, _word_layout
from seqring.compat.ringbuffer._errors import (
    AlreadyClosedError,
    DataTooLargeError,
    Error,
    MustCreatedReadersBeforeWritingError,
    TimedOutError,
    WaitingForReaderError,
    WaitingForWriterError,
    WriterDiedError,
    WriterFinishedError,
)
from seqring.compat.ringbuffer._ring_pointers import ReaderPointer, WriterPointer
from seqring.compat.ringbuffer._slot_array import SlotArray

# Participants at a time. The original has no limit.
_PARTICIPANTS = 1024
_SLICE_SECONDS = 0.1
_POLL_SECONDS = 0.002


class RingBuffer(_lifetime.Attached, RingBufferBase):
    """A ring of `slot_count` messages of at most `slot_bytes` bytes.

    `new_writer()` announces a writer, `new_reader()` makes a reader before the first write; then both may
    go to other threads and processes, forked or spawned. With `overwrite=True` writers never wait, and a
    slow reader loses the overwritten messages: its pointer's `lost` counts them.

    `try_write`, `blocking_write`, `try_read` and `blocking_read` are fast paths in the base class. They
    call the methods with an underscore here in all other cases.
    """

    _OWN: tuple[str, ...] = ("_ring", "_words", "slot_count", "slot_bytes", "readers", "writer", "active", "_writer_process")

    def __init__(self, *, slot_bytes: int, slot_count: int, overwrite: bool = False) -> None:
        for name, value in (("slot_bytes", slot_bytes), ("slot_count", slot_count)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        ring = Ring.create(
            slot_count,
            slot_bytes,
            delivery="lossy" if overwrite else "gated",
            writers="many",
            participants=_PARTICIPANTS,
            words=_word_layout.WORDS,
            await_readers=0,
        )
        self._attach(ring, [])

    def _attach(self, ring: Ring, readers: list[ReaderPointer]) -> None:
        self._ring = ring
        self._words = ring.words
        self.slot_count = ring.slots
        self.slot_bytes = ring.slot_bytes
        self.readers = readers
        self.writer = WriterPointer(ring)
        self.active = _active_writers.ActiveWriters(self._words, _word_layout.WRITERS_AT)
        self._writer_process = 0
        self._set_ring(ring, _word_layout.WRITERS_AT)

    @property
    def lock(self) -> _readers_writer_lock.ReadersWriterLock:
        """A lock in the ring's memory, for programs that use one. The ring itself takes no lock."""
        return _readers_writer_lock.ReadersWriterLock._attached(self._ring, _word_layout.LOCK_AT)

    @property
    def array(self) -> SlotArray:
        """A copy of the slots at this moment; `b''` for a message that is gone because every reader
        read it."""
        return snapshot(self._ring)

    def new_reader(self) -> ReaderPointer:
        """A pointer for one reader, which sees all messages. Only before the first write."""
        reader = self._ring.reader(0)
        if self._ring.next_sequence > 0:
            reader.close()
            raise MustCreatedReadersBeforeWritingError(
                f"{self._ring.next_sequence} messages were written already: make readers before the first write"
            )
        pointer = ReaderPointer.parked(self._ring, reader)
        self.readers.append(pointer)
        return pointer

    def new_writer(self) -> None:
        """Announces a writer. Readers wait while one is active."""
        self.active.announce()

    def writer_done(self) -> None:
        """Ends a writer. After the last one, readers get the remaining messages and then
        `WriterFinishedError`."""
        self.active.leave()
        with _lifetime.lock:
            writer, mine = self._writer, self._writer_process == _lifetime.pid
            self._writer = None
        # The close wakes waiting readers. Without a writer here, a new one joins and leaves to wake
        # them.
        (writer if writer is not None and mine else self._ring.writer()).close()

    def _try_write(self, data: Any) -> None:
        if self._guarded(lambda writer: writer._write_in_turn(data, self._is_full)) is None:
            raise WaitingForReaderError(f"all {self.slot_count} slots hold messages that a reader has not read")

    def _is_full(self) -> bool:
        return any(one.lag >= self.slot_count for one in self._ring.stats().of("reader"))

    def _blocking_write(self, data: Any, timeout: float | None) -> None:
        try:
            self._guarded(lambda writer: writer.write(data, timeout=timeout))
        except errors.TimedOut as error:
            raise TimedOutError(str(error)) from None

    def _guarded(self, write: Callable[[Writer], int | None]) -> int | None:
        """Calls `write` with this process's writer; with a new one if another thread closed it."""
        while True:
            if not self.active.value:
                raise AlreadyClosedError("no writer is active: call new_writer() first")
            writer = self._join()
            try:
                return write(writer)
            except errors.TooLarge as error:
                raise DataTooLargeError(str(error)) from None
            except errors.RegisterError as error:
                raise Error(str(error)) from None
            except ValueError:
                if not writer.closed:
                    raise

    def _join(self) -> Writer:
        with _lifetime.lock:
            writer = self._writer
            if writer is not None and (self._writer_process != _lifetime.pid or writer.closed):
                writer = None
            if writer is None or not self._has_entered():
                self.active.enter()
            if writer is None:
                writer = self._writer = self._ring.writer()
                self._writer_process = _lifetime.pid
            self._enter()
            return writer

    def _try_read(self, pointer: ReaderPointer) -> bytearray:
        data = pointer.take_in_turn()
        if data is not None:
            return data
        self.active.remove_dead()
        if self.active.value:
            raise WaitingForWriterError("there is no message yet")
        return self._last(pointer)

    def _blocking_read(self, pointer: ReaderPointer, timeout: float | None) -> bytearray:
        end = _lifetime.end_of(timeout)
        ready = False
        while True:
            data = pointer.take()
            if data is not None:
                return data
            if ready:
                # A writer is announced but none has joined: no event wakes this reader, so it
                # polls.
                time.sleep(_POLL_SECONDS)
            if self._is_due():
                self.active.remove_dead()
            if not self.active.value:
                return self._last(pointer)
            left = _SLICE_SECONDS if end is None else min(_SLICE_SECONDS, end - time.monotonic())
            if left <= 0:
                raise TimedOutError("no message came within the timeout")
            ready = pointer.join().wait(left)

    def _last(self, pointer: ReaderPointer) -> bytearray:
        """Reads after the last writer ended: a message that is not there now will not come."""
        data = pointer.take_in_turn()
        if data is not None:
            return data
        if self.active.died:
            raise WriterDiedError(self.active.died)
        raise WriterFinishedError("every message was read, and every writer is done")

    def force_reader_sync(self) -> None:
        """Moves all readers to the newest message. They lose the messages before it."""
        self._ring.skip_readers()

    def close(self) -> None:
        """Releases the ring in this process, as the end of the process does. The last process
        removes it."""
        for pointer in self.readers:
            pointer.close()
        if self._writer is not None and self._writer_process == _lifetime.pid:
            self._writer.close()
        self._ring.close()

    def _arguments(self) -> tuple[Ring, list[ReaderPointer]]:
        return self._ring, self.readers


def snapshot(ring: Ring) -> SlotArray:
    """A copy of the messages of a ring that can still be read."""
    array = SlotArray(slot_bytes=ring.slot_bytes, slot_count=ring.slots)
    with ring.reader("oldest") as reader:
        while True:
            try:
                data = reader.try_read()
            except errors.Lagged:
                continue
            except errors.Closed:
                return array
            if data is None:
                return array
            array[(reader.position - 1) % ring.slots] = data
