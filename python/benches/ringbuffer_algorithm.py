"""The algorithm of the package `ringbuffer`, reimplemented from its description: the baseline of
compat.

Slots in shared memory, a readers/writer lock of one lock and two conditions, a counter for each reader.
Every write excludes all readers, every read takes the read lock, and a blocked reader waits for a write.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import multiprocessing.sharedctypes
from collections.abc import Iterator
from typing import Any


class Lock:
    def __init__(self) -> None:
        self.lock = multiprocessing.Lock()
        self.readers_condition = multiprocessing.Condition(self.lock)
        self.writer_condition = multiprocessing.Condition(self.lock)
        self.readers: Any = multiprocessing.RawValue(ctypes.c_uint, 0)
        self.writer: Any = multiprocessing.RawValue(ctypes.c_bool, False)

    @contextlib.contextmanager
    def for_read(self) -> Iterator[None]:
        with self.lock:
            while self.writer.value:
                self.writer_condition.wait()
            self.readers.value += 1
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        with self.lock:
            self.readers.value -= 1
            if self.readers.value == 0:
                self.readers_condition.notify()

    @contextlib.contextmanager
    def for_write(self) -> Iterator[None]:
        with self.lock:
            while self.writer.value or self.readers.value:
                (self.writer_condition if self.writer.value else self.readers_condition).wait()
            self.writer.value = True
        try:
            yield
        finally:
            with self.lock:
                self.writer.value = False
                self.readers_condition.notify()
                self.writer_condition.notify_all()

    def wait_for_write(self) -> None:
        with self.lock:
            self.readers.value -= 1
            if self.readers.value == 0:
                self.readers_condition.notify()
            self.writer_condition.wait()
            while self.writer.value:
                self.writer_condition.wait()
            self.readers.value += 1


class LockedRing:
    def __init__(self, slot_bytes: int, slots: int, readers: int) -> None:
        self.slot_bytes, self.slots = slot_bytes, slots
        self.memory = multiprocessing.sharedctypes.RawArray(ctypes.c_byte, (slot_bytes + 8) * slots)
        self.lock = Lock()
        self.written: Any = multiprocessing.RawValue(ctypes.c_ulonglong, 0)
        self.read: list[Any] = [multiprocessing.RawValue(ctypes.c_ulonglong, 0) for _ in range(readers)]

    def _slot(self, counter: int) -> memoryview:
        start = counter % self.slots * (self.slot_bytes + 8)
        return memoryview(self.memory).cast("B")[start : start + self.slot_bytes + 8]

    def try_write(self, data: bytes) -> bool:
        with self.lock.for_write():
            if any(self.written.value - count.value >= self.slots for count in self.read):
                return False
            slot = self._slot(self.written.value)
            slot[:8] = len(data).to_bytes(8, "little")
            slot[8 : 8 + len(data)] = data
            self.written.value += 1
            return True

    def write(self, data: bytes) -> None:
        """Polls: `ringbuffer` has no blocking write."""
        while not self.try_write(data):
            pass

    def blocking_read(self, number: int) -> bytearray:
        count = self.read[number]
        with self.lock.for_read():
            while self.written.value == count.value:
                self.lock.wait_for_write()
            slot = self._slot(count.value)
            data = bytearray(slot[8 : 8 + int.from_bytes(slot[:8], "little")])
        count.value += 1
        return data
