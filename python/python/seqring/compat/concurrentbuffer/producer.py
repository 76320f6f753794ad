"""The producer, and its process classes."""

from __future__ import annotations

from abc import abstractmethod
from multiprocessing.context import BaseContext, ForkProcess, SpawnProcess
from typing import Any

from seqring.compat.concurrentbuffer._conversion import each_of, copy_converted
from seqring.compat.concurrentbuffer.process import SubProcessObject, WorkerProcess, of_context
from seqring.pipeline._roles import Out
from seqring.pipeline._worker import ProducerTask


class Producer(SubProcessObject):
    """Makes items from messages."""

    _meta: Any = None

    @abstractmethod
    def create_data(self, message: dict[str, Any]) -> Any:
        """The arrays of an item, one for each shape; for one shape it may be the array itself."""

    def set_meta(self, meta: Any) -> None:
        """Sets the metadata of the current item, for `BufferIterator.meta`: bytes, or a value that
        JSON can represent."""
        self._meta = meta


class ConvertingProducerTask(ProducerTask):
    """Runs a producer, and converts its data to the buffers' shape and element type."""

    def fill(self, message: Any, out: Out) -> None:
        self.producer._meta = None
        data = each_of(self.producer.create_data(message=message), [array.shape for array in out])
        for index, (array, made) in enumerate(zip(out, data)):
            copy_converted(array, made, f"array {index}")
        out.meta = self.producer._meta


class ProducerProcess(WorkerProcess):
    """A producer's process."""


class ProducerSpawnProcess(ProducerProcess, SpawnProcess):
    """A producer's process, started by spawn."""


class ProducerForkProcess(ProducerProcess, ForkProcess):
    """A producer's process, started by fork."""


def get_producer_process_class_object(context: BaseContext) -> type[ProducerSpawnProcess | ProducerForkProcess]:
    """The class of producers' processes. Raises `ValueError` for a context other than fork and
    spawn."""
    return of_context(context, ProducerForkProcess, ProducerSpawnProcess)
