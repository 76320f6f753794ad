"""A running pipeline, presented as the parts of `concurrentbuffer`."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from typing import Any

import numpy

from seqring import _lifetime, _seqring
from seqring.compat.concurrentbuffer.commander import Commander, NumberingCommanderTask, get_commander_process_class_object
from seqring.compat.concurrentbuffer.info import BufferInfo, Shapes
from seqring.compat.concurrentbuffer.manager import SharedBufferManager
from seqring.compat.concurrentbuffer.memory import BufferMemory
from seqring.compat.concurrentbuffer.producer import ConvertingProducerTask, Producer, get_producer_process_class_object
from seqring.compat.concurrentbuffer.state import Array, BufferState, BufferStateMemory
from seqring.compat.concurrentbuffer.system import BufferSystem
from seqring.errors import TimedOut
from seqring.pipeline import _meta
from seqring.pipeline._spawner import ProcessWorker


class BufferFactory:
    """Starts a commander and `cpus` producers, and delivers their items.

    `produce_timeout`: how many seconds a producer may take for an item or its `build`. `retries`: how
    often other producers then try the item. `message_bytes`: room for a message.
    """

    def __init__(
        self,
        buffer_system: BufferSystem,
        buffer_info: BufferInfo,
        commander: Commander,
        producer: Producer,
        *,
        produce_timeout: float | None = None,
        retries: int = 0,
        message_bytes: int = 256 << 10,
    ) -> None:
        self._buffer_system = buffer_system
        self._buffer_info = buffer_info
        self._commander = commander
        self._producer = producer
        manager = SharedBufferManager(buffer_info)
        manager.start()
        self._spawner = _Spawner(
            buffer_system.context,
            NumberingCommanderTask(commander, message_bytes, buffer_info.count),
            ConvertingProducerTask(producer, manager.arrays),
        )
        host = _seqring.Host(
            self._spawner,
            manager.arrays.nbytes,
            producers=buffer_system.cpus,
            in_flight=max(1, buffer_info.count - 1),
            held_items=buffer_info.count,
            ordered=buffer_system.deterministic,
            skips=False,
            retries=retries,
            produce_timeout=produce_timeout,
            meta_bytes=1024,
            message_bytes=message_bytes,
        )
        self._items = _Items(host, manager)
        self._shared_buffer_manager = manager
        self._buffer_state_memory = _States(self._items, buffer_info.count)
        self._buffer_memories = [
            BufferMemory(shape, buffer_info.dtype, buffers)
            for shape, buffers in zip(buffer_info.shapes, manager.buffers)
        ]
        self._receiver = _Announcements(self._items) if buffer_system.deterministic else None
        _lifetime.register(self)

    @property
    def buffer_system(self) -> BufferSystem:
        return self._buffer_system

    @property
    def buffer_state_memory(self) -> BufferStateMemory:
        return self._buffer_state_memory

    @property
    def buffer_memories(self) -> list[BufferMemory]:
        return self._buffer_memories

    @property
    def receiver(self) -> _Announcements | None:
        """Receives the buffer number of the next item; `None` if items come as they are done."""
        return self._receiver

    @property
    def sender(self) -> _Announcements | None:
        """The same object: the pipeline sends."""
        return self._receiver

    @property
    def meta(self) -> Any:
        """The metadata of the item that was taken last."""
        return _meta.decode(self._items.meta)

    def take(self, timeout: float | None) -> int | None:
        """Takes the next item, and returns the number of its buffer; `None` after the last."""
        return self._items.take(timeout)

    def shutdown(self) -> None:
        """Ends the pipeline. Arrays that the consumer holds stay valid."""
        self._shared_buffer_manager.shutdown()
        self._items.host.stop()

    def close(self) -> None:
        """The same as `shutdown`, at the end of the process."""
        self.shutdown()

    def _forget(self) -> None:
        self._items.host.forget()


class _Items:
    """The items of the pipeline. It has no reference to the factory: the pipeline ends with the
    last reference to that."""

    def __init__(self, host: _seqring.Host, manager: SharedBufferManager) -> None:
        self.host = host
        self.manager = manager
        self.meta = b""

    def take(self, timeout: float | None) -> int | None:
        self.manager.check_room()
        lease = self.host.next(timeout)
        if lease is None:
            return None
        self.meta = lease.meta
        return self.manager.hold(lease)


class _Spawner:
    """Starts the processes of a factory."""

    roles = None

    def __init__(self, context: BaseContext, commander: NumberingCommanderTask, producer: ConvertingProducerTask) -> None:
        self._commander_class = get_commander_process_class_object(context)
        self._producer_class = get_producer_process_class_object(context)
        self._commander = commander
        self._producer = producer

    def start(self, index: int | None, ticket: str) -> ProcessWorker:
        if index is None:
            return ProcessWorker(self._commander_class(self._commander, ticket))
        return ProcessWorker(self._producer_class(self._producer, ticket))


class _States(BufferStateMemory):
    """The states of a pipeline's buffers, computed at each access."""

    def __init__(self, items: _Items, count: int) -> None:
        self._items = items
        super().__init__(count, numpy.dtype("uint8"), threading.RLock(), items.manager.state_buffer)

    @contextmanager
    def _current(self) -> Iterator[Array]:
        _, done, in_flight, _, producers = self._items.host.stats()
        made = max(0, sum(made for made, *_ in producers) - done)
        with super()._current() as states:
            states[:] = BufferState.FREE.value
            for number in range(done, done + in_flight):
                state = BufferState.AVAILABLE if number < done + made else BufferState.RESERVED
                states[number % len(states)] = state.value
            states[self._items.manager.held] = BufferState.PROCESSING.value
            yield states

    def get_available_buffer_id(self, buffer_id: int | None = None) -> int | None:
        if buffer_id is not None and buffer_id in self._items.manager.held:
            return buffer_id  # `recv` announced it and thereby took it.
        try:
            return self._items.take(0)
        except TimedOut:
            return None

    def update_buffer_id_to_free(self, buffer_id: int) -> None:
        self._items.manager.free(buffer_id)


class _Announcements:
    """Announces the buffer of the next item, in the order of the messages."""

    def __init__(self, items: _Items) -> None:
        self._items = items

    def recv(self) -> int:
        """Waits for the next item, and returns the number of its buffer."""
        buffer_id = self._items.take(None)
        if buffer_id is None:
            raise EOFError("the commander has ended, and every item was taken")
        return buffer_id

    def close(self) -> None:
        """Does nothing: `shutdown` ends the pipeline."""


def create_buffer_factory(
    cpus: int,
    batch_commander: Commander,
    batch_producer: Producer,
    context: str | BaseContext,
    deterministic: bool,
    buffer_shapes: Shapes,
    buffer_dtype: Any,
) -> BufferFactory:
    """A factory with as many buffers for each producer as there are states."""
    if isinstance(context, str):
        context = multiprocessing.get_context(context)
    system = BufferSystem(cpus=cpus, context=context, deterministic=deterministic)
    info = BufferInfo(shapes=buffer_shapes, count=cpus * len(BufferState), dtype=buffer_dtype)
    return BufferFactory(buffer_system=system, buffer_info=info, commander=batch_commander, producer=batch_producer)
