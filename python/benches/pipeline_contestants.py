"""Ways to distribute work to producers: seqring's pipeline and its rivals.

All make the same items: an array of one shape, a copy of one picture, with the message's number in its
first eight bytes. A contestant that can be filled in place is. Iterating gives arrays.
"""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy
import seqring
from concurrentbuffer_algorithm import PolledBuffers
from seqring.compat.concurrentbuffer import commander as compat_commander
from seqring.compat.concurrentbuffer import iterator as compat_iterator
from seqring.compat.concurrentbuffer import producer as compat_producer

Shape = tuple[int, ...]
SMALL: Shape = (64, 64, 3)
LARGE: Shape = (2048, 2048, 3)


def message(number: int) -> dict[str, Any]:
    return {"number": number, "issued": time.monotonic_ns()}


class Painter:
    """Makes the pictures of all contestants."""

    def __init__(self, shape: Shape) -> None:
        self.picture = numpy.random.default_rng(1).integers(0, 255, shape, "u1")

    def paint(self, command: dict[str, Any], out: Any) -> None:
        numpy.copyto(out, self.picture)
        out.reshape(-1)[:16].view("i8")[:] = command["number"], command["issued"]

    def painted(self, command: dict[str, Any]) -> Any:
        out = numpy.empty_like(self.picture)
        self.paint(command, out)
        return out


class Endless(seqring.pipeline.Commander):
    def __init__(self) -> None:
        self.number = -1

    def create_message(self) -> dict[str, Any]:
        self.number += 1
        return message(self.number)


class InPlace(seqring.pipeline.Producer):
    def __init__(self, shape: Shape) -> None:
        self.painter = Painter(shape)

    def create_data(self, message: Any, out: Any) -> None:
        self.painter.paint(message, out[0])


class Returned(InPlace):
    def create_data(self, message: Any) -> Any:
        return self.painter.painted(message)


class Contestant:
    """Iterates over items until it is stopped."""

    name: ClassVar[str]

    def __init__(self, shape: Shape, producers: int, ordered: bool) -> None:
        raise NotImplementedError

    def next(self) -> Any:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError


class Pipeline(Contestant):
    name = "seqring.Pipeline, in place"
    producer: ClassVar[Any] = InPlace
    start_method: ClassVar[Any] = "fork"

    def __init__(self, shape: Shape, producers: int, ordered: bool, in_flight: int | None = None) -> None:
        self.in_flight = in_flight or (64 if shape == SMALL else 2 * producers)  # The pipeline's default.
        self.pipeline = seqring.Pipeline(
            Endless(), self.producer(shape), shapes=shape, producers=producers, ordered=ordered,
            start_method=self.start_method, in_flight=self.in_flight,
        )

    def next(self) -> Any:
        return next(self.pipeline)[0][0]

    def stop(self) -> None:
        self.pipeline.stop()


class PipelineReturned(Pipeline):
    name = "seqring.Pipeline, returned"
    producer = Returned


class PipelineOfThreads(Pipeline):
    name = "seqring.Pipeline, threads"
    start_method = "threads"


class _CompatCommander(Endless, compat_commander.Commander):
    pass


class _CompatProducer(Returned, compat_producer.Producer):
    def create_data(self, message: Any) -> Any:
        return [self.painter.painted(message)]


class Compat(Contestant):
    name = "seqring.compat.concurrentbuffer"

    def __init__(self, shape: Shape, producers: int, ordered: bool) -> None:
        self.iterator = compat_iterator.buffer_iterator_factory(
            cpus=producers, buffer_shapes=(shape,), commander=_CompatCommander(), producer=_CompatProducer(shape),
            context="fork", deterministic=ordered, buffer_dtype="uint8",
        )

    def next(self) -> Any:
        return next(self.iterator)[0]

    def stop(self) -> None:
        self.iterator.stop()


class ConcurrentbufferAlgorithm(Contestant):
    """The algorithm of the package `concurrentbuffer`."""

    name = "concurrentbuffer's algorithm"

    def __init__(self, shape: Shape, producers: int, ordered: bool) -> None:
        self.buffers = PolledBuffers(message, Painter(shape).painted, shape, producers, ordered)

    def next(self) -> Any:
        return next(self.buffers)

    def stop(self) -> None:
        self.buffers.stop()


_painter: Painter


def _start(shape: Shape) -> None:
    global _painter
    _painter = Painter(shape)


def _paint(command: dict[str, Any]) -> Any:
    return _painter.painted(command)


class Pool(Contestant):
    """It has no back-pressure, so it gets one batch of messages at a time."""

    name = "multiprocessing.Pool.imap"
    batch = 256

    def __init__(self, shape: Shape, producers: int, ordered: bool) -> None:
        self.pool = multiprocessing.get_context("fork").Pool(producers, _start, (shape,))
        self.items = self._items(ordered, self.batch if shape == SMALL else 4 * producers)

    def _items(self, ordered: bool, batch: int) -> Iterator[Any]:
        imap = self.pool.imap if ordered else self.pool.imap_unordered
        for first in itertools.count(0, batch):
            yield from imap(_paint, map(message, range(first, first + batch)))

    def next(self) -> Any:
        return next(self.items)

    def stop(self) -> None:
        self.pool.close()  # `terminate` can hang on a lock that a terminated worker held.
        self.pool.join()


class DataLoader(Contestant):
    """Always ordered."""

    name = "torch DataLoader"

    def __init__(self, shape: Shape, producers: int, ordered: bool) -> None:
        from torch.utils import data

        painter = Painter(shape)

        class Pictures(data.IterableDataset):  # type: ignore[misc, name-defined, unused-ignore]
            def __iter__(self) -> Iterator[Any]:
                worker = data.get_worker_info()
                for number in itertools.count(worker.id, worker.num_workers):
                    yield painter.painted(message(number))

        loader = data.DataLoader(Pictures(), batch_size=None, num_workers=producers, prefetch_factor=3)
        self.items = iter(loader)

    def next(self) -> Any:
        return next(self.items).numpy()

    def stop(self) -> None:
        del self.items


ALL: list[type[Contestant]] = [Pipeline, PipelineReturned, PipelineOfThreads, Compat, ConcurrentbufferAlgorithm, Pool, DataLoader]
