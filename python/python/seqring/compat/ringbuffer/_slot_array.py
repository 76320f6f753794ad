"""`SlotArray`: slots of bytes in shared memory."""

from __future__ import annotations

from typing import Any

from seqring._lifetime import Attached
from seqring._seqring import Ring
from seqring.compat.ringbuffer._errors import DataTooLargeError


class SlotArray(Attached):
    """`slot_count` slots of at most `slot_bytes` bytes each. A slot that was never written reads as
    `b''`.

    >>> array = SlotArray(slot_bytes=8, slot_count=2)
    >>> array[1] = b"one"
    >>> list(array)
    [bytearray(b''), bytearray(b'one')]
    """

    _OWN: tuple[str, ...] = ("slot_bytes", "slot_count", "_memory", "_words", "_stride")

    def __init__(self, *, slot_bytes: int, slot_count: int) -> None:
        for name, value in (("slot_bytes", slot_bytes), ("slot_count", slot_count)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        stride = 1 + -(-slot_bytes // 8)
        self._attach(slot_bytes, slot_count, Ring.create(1, 8, words=stride * slot_count, participants=2))

    def _attach(self, slot_bytes: int, slot_count: int, memory: Ring) -> None:
        self.slot_bytes = slot_bytes
        self.slot_count = slot_count
        self._memory = memory
        self._words = memory.words
        self._stride = 1 + -(-slot_bytes // 8)

    def __len__(self) -> int:
        return self.slot_count

    def _start(self, index: int) -> int:
        if not 0 <= index < self.slot_count:
            raise IndexError(f"there are {self.slot_count} slots, no slot {index}")
        return index * self._stride

    def __getitem__(self, index: int) -> bytearray:
        start = self._start(index)
        return self._words.read(start + 1, min(self._words.load(start), self.slot_bytes))

    def __setitem__(self, index: int, data: Any) -> None:
        start = self._start(index)
        try:
            data = memoryview(data)
        except ValueError:  # Elements without a format, as numpy's dates: plain bytes.
            data = memoryview(b"".join([data]))
        size = data.nbytes
        if size > self.slot_bytes:
            raise DataTooLargeError(f"{size} bytes do not fit into a slot of {self.slot_bytes}")
        self._words.write(start + 1, data)
        self._words.store(start, size)

    def _arguments(self) -> tuple[int, int, Ring]:
        return self.slot_bytes, self.slot_count, self._memory
