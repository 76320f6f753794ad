"""Pointers into a ring: the position of its writers, and of each reader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seqring import _lifetime, errors
from seqring._seqring import Parked, PointerBase, Reader, Ring
from seqring.compat.ringbuffer import _word_layout
from seqring.compat.ringbuffer._errors import Error, PointerInUseError
from seqring.compat.ringbuffer._pointer import Pointer


class WriterPointer(Pointer):
    """The position of the writers. Only a write moves it."""

    def __init__(self, ring: Ring) -> None:
        self.slot_count = ring.slots
        self._memory = ring
        self.counter = _NextSequence(ring)

    def set(self, counter: int) -> None:
        raise Error("the writers' position moves only by a write")

    def increment(self) -> None:
        self.set(0)

    def _attach(self, ring: Ring) -> None:  # type: ignore[override]
        WriterPointer.__init__(self, ring)

    def _arguments(self) -> tuple[Ring]:
        return (self._memory,)


class _NextSequence:
    def __init__(self, ring: Ring) -> None:
        self._ring = ring

    @property
    def value(self) -> int:
        return self._ring.next_sequence


class _MessagesRead:
    """How many messages a reader has read: its position in the ring, or the last one if it has
    left."""

    def __init__(self, ring: Ring, at: int) -> None:
        self._ring, self._words, self._at = ring, ring.words, at

    @property
    def value(self) -> int:
        ticket = self._words.load(self._at + 1), self._words.load(self._at + 2)
        position = self._ring.position_of(ticket)
        return self._words.load(self._at) if position is None else position


class ReaderPointer(Pointer, PointerBase):
    """The position of a reader in a ring.

    The first process that reads by it becomes its owner. It ends with that process, so a killed reader
    does not block the writers. Threads of the process may share it: each message goes to one of them.
    """

    _OWN: tuple[str, ...] = (*Pointer._OWN, "_words", "_number", "_at", "_parked", "_parked_in", "_reader_process")

    def __init__(self, ring: Ring, number: int, parked: Parked | None = None) -> None:
        self.slot_count = ring.slots
        self._memory = ring
        self._words = ring.words
        self._number = number
        self._at = _word_layout.pointer_at(number)
        self.counter = _MessagesRead(ring, self._at)
        self._parked, self._parked_in = parked, _lifetime.pid
        self._reader_process = 0

    @classmethod
    def parked(cls, ring: Ring, reader: Reader) -> ReaderPointer:
        """A pointer that parks `reader`."""
        number = ring.words.add(_word_layout.POINTERS_MADE, 1)
        if number >= _word_layout.MAX_POINTERS:
            reader.close()
            raise Error(f"a ring has at most {_word_layout.MAX_POINTERS} readers")
        parked = reader.park()
        entry, state = parked.ticket
        ring.words.store(_word_layout.pointer_at(number) + 1, entry)
        ring.words.store(_word_layout.pointer_at(number) + 2, state)
        return cls(ring, number, parked)

    def join(self) -> Reader:
        """The reader, owned by this process from now on."""
        with _lifetime.lock:
            if (reader := self._own()) is not None:
                return reader
            self._reader, self._reader_process = None, _lifetime.pid
            ticket = self._words.load(self._at + 1), self._words.load(self._at + 2)
            try:
                self._reader = reader = self._memory.resume(ticket, skip_lost=True)
            except errors.RegisterError:
                if (reader := self._own()) is not None:
                    return reader  # A signal handler read by this pointer meanwhile.
                raise PointerInUseError(self._words.load(self._at + 3)) from None
            self._words.store(self._at + 3, _lifetime.pid)
            _lifetime.register(self)
            return reader

    def _own(self) -> Reader | None:
        """This process's reader."""
        return self._reader if self._reader_process == _lifetime.pid else None

    def take(self) -> bytearray | None:
        """The next message; `None` if there is none, or while another thread reads by this
        pointer."""
        return self._received(Reader.try_read)

    def take_in_turn(self) -> bytearray | None:
        """The next message; `None` if there is none. Waits while another thread reads by this
        pointer."""
        return self._received(lambda reader: reader._read_in_turn(self._is_drained))

    def _is_drained(self) -> bool:
        return self.counter.value >= self._memory.next_sequence

    def _received(self, read: Callable[[Reader], bytearray | None]) -> bytearray | None:
        try:
            return read(self._own() or self.join())
        except errors.Closed:
            return None
        except errors.Corrupt as error:
            raise Error(str(error)) from None

    @property
    def lost(self) -> int:
        """How many messages were overwritten or skipped by `force_reader_sync` before they were
        read."""
        return self.join().lost

    def set(self, counter: int) -> None:
        """Skips to that message."""
        now = self.counter.value
        if counter < now:
            raise Error(f"messages that were read are gone: the pointer is at {now} and cannot go back to {counter}")
        while self.counter.value < counter and self.take() is not None:
            pass

    def increment(self) -> None:
        self.set(self.counter.value + 1)

    def close(self) -> None:
        """Leaves the ring: writers no longer wait for this reader."""
        if (reader := self._own()) is not None and not reader.closed:
            self._words.store(self._at, self.counter.value)
            reader.close()
        if self._parked is not None and self._parked_in == _lifetime.pid:
            self._parked.close()

    def _forget(self) -> None:
        """In a forked child the reader is the parent's: nothing to do."""

    def _attach(self, ring: Ring, number: int) -> None:  # type: ignore[override]
        ReaderPointer.__init__(self, ring, number)

    def _arguments(self) -> tuple[Ring, int]:
        return self._memory, self._number
