"""The class `Pipeline`."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from seqring import _aio, _lifetime, _seqring
from seqring.errors import TimedOut
from seqring.pipeline import _meta
from seqring.pipeline._arrays import Arrays, Shape
from seqring.pipeline._progress import Bar, bar_of
from seqring.pipeline._roles import Commander, FunctionProducer, IterableCommander, Make, Producer, count_of
from seqring.pipeline._spawner import Spawner, StartMethod
from seqring.pipeline._worker import CommanderTask, ProducerTask
from seqring.pipeline.errors import ItemFailed, WorkerDied

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.context import BaseContext

_logger = logging.getLogger("seqring.pipeline")

Item = tuple[list[Any], Any]


class Placeholder(enum.Enum):
    """Takes the place of an item."""

    SKIPPED = enum.auto()


@dataclass(frozen=True, slots=True)
class ProducerStats:
    """Counts of a producer: items made, failed tries, seconds at work, replacements of its
    process."""

    made: int
    failed: int
    busy: float
    replaced: int


@dataclass(frozen=True, slots=True)
class PipelineStats:
    """Counts of a pipeline: messages issued, items delivered or reported as failed, messages in
    flight, and items copied because the consumer held too many."""

    issued: int
    done: int
    in_flight: int
    copied: int
    producers: tuple[ProducerStats, ...]


class Pipeline:
    """Iterates over the items that producers make from a commander's messages, in order.

    >>> def square(message, out):
    ...     out[0][...] = message**2
    ...     out.meta = {"of": message}
    >>> with Pipeline(range(1, 4), square, shapes=(2, 2), dtypes="int32", start_method="fork") as pipeline:
    ...     for arrays, meta in pipeline:
    ...         print(arrays[0].sum(), meta)
    4 {'of': 1}
    16 {'of': 2}
    36 {'of': 3}

    The consumer may change and keep the arrays of an item, which are in the memory where they were made.
    That memory is reused when the last of them is gone.
    """

    def __init__(
        self,
        commander: Commander | Iterable[Any],
        producer: Producer | Make,
        *,
        shapes: Shape | Sequence[Shape],
        dtypes: Any = "uint8",
        producers: int = 1,
        ordered: bool = True,
        start_method: StartMethod | BaseContext | None = None,
        in_flight: int | None = None,
        on_failure: Literal["fail", "skip", "retry"] = "fail",
        retries: int = 2,
        report: Callable[[ItemFailed | WorkerDied], Any] | None = None,
        produce_timeout: float | None = None,
        timeout: float | None = None,
        held_items: int = 4,
        meta_bytes: int = 1024,
        message_bytes: int = 16 << 10,
        progress: Any = None,
    ) -> None:
        """`commander`: a `Commander`, which runs in a process of its own; or any iterable of messages, which a
        thread of this process iterates over. Messages are objects that pickle. `producer`: a `Producer`, or a
        function of a message. With a parameter `out` it fills the arrays in place, in the memory that the
        consumer will read; a returned value is checked and copied.

        `shapes`, `dtypes`: of the arrays of an item: one, as a tuple of numbers, or a list of them.
        `producers`: how many work in parallel. `ordered`: items in the order of the messages, or as they
        are done.
        `start_method`: `"fork"`, `"spawn"`, `"forkserver"`, a context of multiprocessing, or `"threads"` of
        this process.
        `in_flight`: how many messages may be issued whose items were not taken. If `None`: a megabyte of
        items, at most 64, at least two for each producer.
        `on_failure`: for a producer that raises, takes longer than `produce_timeout` seconds, or dies.
        `"fail"`: the consumer gets the error, and the pipeline ends. `"skip"`: the item is left out, and
        `report` is called with the error; without `report` the error is logged. `"retry"`: other producers
        try the message up to `retries` more times.
        `timeout`: how many seconds to wait for an item before `TimedOut`; the next call can succeed.
        `held_items`: how many items the consumer may hold before further ones are copies.
        `meta_bytes`, `message_bytes`: room for metadata and messages. `progress`: `tqdm.tqdm`, an instance of
        it, or any object with `update`.
        """
        if on_failure not in ("fail", "skip", "retry"):
            raise ValueError(f'on_failure must be "fail", "skip" or "retry", not {on_failure!r}')
        _lifetime.end_of(timeout)
        self.timeout = timeout
        """Seconds to wait for an item; `None`: no limit."""
        self.number: int | None = None
        """The number of the last item. Messages are numbered from 0."""
        self._report = report or _log
        self._producers = producers
        self._skips = on_failure == "skip"
        self._arrays = Arrays(shapes, dtypes)
        producer_task = ProducerTask(producer if isinstance(producer, Producer) else FunctionProducer(producer), self._arrays)
        source = None if isinstance(commander, Commander) else IterableCommander(commander)
        commander_task = CommanderTask(source or commander, message_bytes)
        self._spawner = Spawner(
            start_method, commander_task, producer_task, producers, commander_is_thread=source is not None
        )
        self._bar: Bar | None = bar_of(progress, count_of(commander))
        self._waiter: _aio.Waiter | None = None
        self._in_a_row = 0
        self._host = _seqring.Host(
            self._spawner,
            self._arrays.nbytes,
            producers=producers,
            in_flight=in_flight,
            held_items=held_items,
            ordered=ordered,
            skips=self._skips,
            retries=retries if on_failure == "retry" else 0,
            produce_timeout=produce_timeout,
            meta_bytes=meta_bytes,
            message_bytes=message_bytes,
        )
        _lifetime.register(self)

    def __repr__(self) -> str:
        producers, following = self._producers, 0 if self.number is None else self.number + 1
        many = "producer" if producers == 1 else "producers"
        return f"<seqring.Pipeline of {producers} {many}, next is {following}>"

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        while (item := self._take(self.timeout)) is Placeholder.SKIPPED:
            pass
        if item is None:
            raise StopIteration
        return item

    def _take(self, timeout: float | None) -> Item | Placeholder | None:
        """The next item, or its placeholder; `None` after the last."""
        try:
            lease = self._host.next(timeout)
        except (ItemFailed, WorkerDied) as error:
            if not self._skips or error.number is None:
                raise
            self._advance()
            self._report(error)
            return Placeholder.SKIPPED
        if lease is None:
            self._end_bar()
            return None
        self.number = lease.number
        self._advance()
        return self._arrays.over(lease), _meta.decode(lease.meta)

    def _advance(self) -> None:
        if self._bar is not None:
            self._bar.update(1)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.end()

    def __aiter__(self) -> Pipeline:
        return self

    async def __anext__(self) -> Item:
        """The next item. Other tasks run during the wait. Cancelling a task loses no item: a
        cancelled `anext` has taken none."""
        self._in_a_row = (self._in_a_row + 1) % _aio.TURN
        if self._in_a_row == 0:
            await asyncio.sleep(0)
        item: Item | Placeholder | None = Placeholder.SKIPPED
        while item is Placeholder.SKIPPED:
            await self._ready()
            with contextlib.suppress(TimedOut):  # Another task may have taken the item.
                item = self._take(0)
        if item is None:
            raise StopAsyncIteration
        return item

    async def _ready(self) -> None:
        """Waits until an item or an error is ready."""
        _lifetime.end_of(self.timeout)
        try:
            async with asyncio.timeout(self.timeout) as limit:
                while not self._host.wait(0):
                    if self._waiter is None:
                        self._waiter = _aio.Waiter(self._host)
                    await self._waiter.ready()
        except TimeoutError:
            if limit.expired():
                raise TimedOut("item") from None
            raise

    def stats(self) -> PipelineStats:
        """Counts of the pipeline and its producers, at about the same time."""
        issued, done, in_flight, copied, producers = self._host.stats()
        return PipelineStats(issued, done, in_flight, copied, tuple(ProducerStats(*each) for each in producers))

    def stop(self) -> None:
        """Ends the pipeline: no further item is made. Arrays that the consumer holds stay valid.

        It takes two seconds at most. A process that has not ended after 1.5 s is killed. A thread that has
        not ended after 1 s is interrupted by a `SystemExit`; if it has not ended after another second,
        because it is not in Python code, `Stuck` names it. A Ctrl-C meanwhile is raised when all workers
        have ended. A signal handler may call `stop`: if it interrupts a wait for an item, that wait ends
        the pipeline and raises `ValueError`.
        """
        if self._waiter is not None:
            self._waiter.stop()
            self._waiter = None
        self._end_bar()
        self._host.stop(self._spawner.interrupt)

    def close(self) -> None:
        """As `stop`, but logs an error instead of raising it."""
        try:
            self.stop()
        except Exception as error:
            _logger.warning("%s", error)

    def _forget(self) -> None:
        self._host.forget()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error_type is None:
            self.stop()
        else:
            self.close()

    def __del__(self) -> None:
        if hasattr(self, "_host"):
            self.close()


def _log(error: ItemFailed | WorkerDied) -> None:
    _logger.warning("skipped: %s", error)
