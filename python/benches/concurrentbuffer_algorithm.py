"""The algorithm of the package `concurrentbuffer`, reimplemented from its description: the baseline
of pipelines.

An array of states, one byte for each buffer, under one lock. The commander polls it for a free buffer and
puts a message with the buffer's number into a queue; in ordered mode it also sends the number to the
consumer through a pipe. A producer takes a message, copies its array into the buffer and sets the state.
The consumer polls the states and copies the buffer out.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy

FREE, AVAILABLE, RESERVED, PROCESSING = 1, 2, 3, 4

_context = multiprocessing.get_context("fork")


class States:
    """The states of the buffers."""

    def __init__(self, count: int) -> None:
        self.lock: Any = _context.Lock()
        self.memory = SharedMemory(create=True, size=count)
        self.states: Any = numpy.ndarray(count, "u1", self.memory.buf)
        self.states[:] = FREE

    def find(self, state: int, to: int, wanted: int | None = None) -> int | None:
        with self.lock:
            found = list(numpy.where(self.states == state)[0])
            if not found or (wanted is not None and wanted not in found):
                return None
            number = found[0] if wanted is None else wanted
            self.states[number] = to
            return int(number)


class PolledBuffers:
    """Iterates over arrays."""

    def __init__(
        self,
        message: Callable[[int], dict[str, Any]],
        make: Callable[[dict[str, Any]], Any],
        shape: tuple[int, ...],
        producers: int,
        ordered: bool,
    ) -> None:
        self.count = 4 * producers
        self.shape, self.ordered = shape, ordered
        self.states = States(self.count)
        size = int(numpy.prod(shape))
        self.memories = [SharedMemory(create=True, size=size) for _ in range(self.count)]
        self.queue: Any = _context.Queue(self.count)
        self.receiver, self.sender = _context.Pipe(duplex=False)
        self.last: int | None = None
        self.processes = [_context.Process(target=self._command, args=(message,), daemon=True)]
        self.processes += [_context.Process(target=self._produce, args=(make,), daemon=True) for _ in range(producers)]
        for process in self.processes:
            process.start()

    def _array(self, number: int) -> Any:
        return numpy.ndarray(self.shape, "u1", self.memories[number].buf)

    def _command(self, message: Callable[[int], dict[str, Any]]) -> None:
        issued = 0
        while True:
            number = self.states.find(FREE, RESERVED)
            if number is None:
                continue
            self.queue.put({**message(issued), "/buffer_id": number})
            issued += 1
            if self.ordered:
                self.sender.send(number)

    def _produce(self, make: Callable[[dict[str, Any]], Any]) -> None:
        while True:
            message = self.queue.get()
            self._array(message["/buffer_id"])[:] = make(message)
            self.states.states[message["/buffer_id"]] = AVAILABLE

    def __next__(self) -> Any:
        if self.last is not None:
            self.states.states[self.last] = FREE
        wanted = self.receiver.recv() if self.ordered else None
        while (number := self.states.find(AVAILABLE, PROCESSING, wanted)) is None:
            pass
        self.last = number
        return self._array(number).copy()

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()
        self.queue.cancel_join_thread()
        for memory in [self.states.memory, *self.memories]:
            memory.close()
            memory.unlink()
