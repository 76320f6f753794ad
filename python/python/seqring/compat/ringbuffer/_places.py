"""Pointers into a ring: where its writers are, and where each reader is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seqring import _lifetime, errors
from seqring._lifetime import ProcessLock
from seqring._seqring import Parked, PointerBase, Reader, Ring
from seqring.compat.ringbuffer import _layout
from seqring.compat.ringbuffer._errors import Error, PointerInUseError
from seqring.compat.ringbuffer._pointer import Pointer


class WriterPointer(Pointer):
    """Where the writers are. It moves by writing only."""

    def __init__(self, ring: Ring) -> None:
        self.slot_count = ring.slots
        self._memory = ring
        self.counter = _Next(ring)

    def set(self, counter: int) -> None:
        raise Error("the writers' position moves when something is written")

    def increment(self) -> None:
        self.set(0)

    def __reduce__(self) -> tuple[Any, ...]:
        return WriterPointer, (self._memory,)


class _Next:
    def __init__(self, ring: Ring) -> None:
        self._ring = ring

    @property
    def value(self) -> int:
        return self._ring.next_sequence


class _Count:
    """How many messages a reader has read: where it is in the ring, or was when it left."""

    def __init__(self, ring: Ring, at: int) -> None:
        self._ring, self._words, self._at = ring, ring.words, at

    @property
    def value(self) -> int:
        ticket = self._words.load(self._at + 1), self._words.load(self._at + 2)
        position = self._ring.position_of(ticket)
        return self._words.load(self._at) if position is None else position


class ReaderPointer(Pointer, PointerBase):
    """A reader's place in a ring.

    It is kept for whoever reads by it first, in any process; from then on it is that process's, and ends with it, so
    that a killed reader holds nobody up. Threads of that process may share it: each message goes to one of them.
    """

    def __init__(self, ring: Ring, number: int, parked: Parked | None = None) -> None:
        self.slot_count = ring.slots
        self._memory = ring
        self._words = ring.words
        self._number = number
        self._at = _layout.pointer_at(number)
        self.counter = _Count(ring, self._at)
        self._parked, self._parked_in = parked, _lifetime.pid
        self._reader_process = 0
        self._joining = ProcessLock()

    @classmethod
    def made(cls, ring: Ring, reader: Reader) -> ReaderPointer:
        """A pointer that keeps the place of `reader`."""
        number = ring.words.add(_layout.POINTERS_MADE, 1)
        if number >= _layout.POINTERS:
            reader.close()
            raise Error(f"a ring has at most {_layout.POINTERS} readers")
        parked = reader.park()
        entry, state = parked.ticket
        ring.words.store(_layout.pointer_at(number) + 1, entry)
        ring.words.store(_layout.pointer_at(number) + 2, state)
        return cls(ring, number, parked)

    def join(self) -> Reader:
        """The reader, in this process's hands from now on."""
        with self._joining:
            reader = self._reader
            if reader is not None and self._reader_process == _lifetime.pid:
                return reader
            ticket = self._words.load(self._at + 1), self._words.load(self._at + 2)
            try:
                reader = self._memory.resume(ticket, skip_lost=True)
            except errors.JoinError:
                raise PointerInUseError(self._words.load(self._at + 3)) from None
            self._words.store(self._at + 3, _lifetime.pid)
            self._reader, self._reader_process = reader, _lifetime.pid
            _lifetime.watch(self)
            return reader

    def take(self) -> bytearray | None:
        """The next message, if there is one, and no other thread reads by this pointer."""
        return self._received(Reader.try_read)

    def take_in_turn(self) -> bytearray | None:
        """The next message, if there is one; waits while another thread reads by this pointer."""
        return self._received(lambda reader: reader._read_in_turn(self._is_drained))

    def _is_drained(self) -> bool:
        return self.counter.value >= self._memory.next_sequence

    def _received(self, read: Callable[[Reader], bytearray | None]) -> bytearray | None:
        reader = self._reader
        if reader is None or self._reader_process != _lifetime.pid:
            reader = self.join()
        try:
            return read(reader)
        except errors.Closed:
            return None
        except errors.Corrupt as error:
            raise Error(str(error)) from None

    @property
    def lost(self) -> int:
        """Messages that were overwritten, or skipped by `force_reader_sync`, before they were read."""
        return self.join().lost

    def set(self, counter: int) -> None:
        """Moves on to that message, without those before it."""
        now = self.counter.value
        if counter < now:
            raise Error(f"what was read is gone: the pointer is at {now} and cannot go back to {counter}")
        while self.counter.value < counter and self.take() is not None:
            pass

    def increment(self) -> None:
        self.set(self.counter.value + 1)

    def close(self) -> None:
        """Leaves the ring: writers do not wait for this reader any more."""
        reader = self._reader
        if reader is not None and self._reader_process == _lifetime.pid and not reader.closed:
            self._words.store(self._at, self.counter.value)
            reader.close()
        if self._parked is not None and self._parked_in == _lifetime.pid:
            self._parked.close()

    def _forget(self) -> None:
        """In a fork's child the reader is the parent's; it is not asked."""

    def __reduce__(self) -> tuple[Any, ...]:
        return ReaderPointer, (self._memory, self._number)
