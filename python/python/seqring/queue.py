"""A queue between threads and processes, with the methods of the standard library's."""

from __future__ import annotations

import contextlib
import os
import pickle
import time
from collections.abc import Callable
from functools import partial
from operator import call
from types import TracebackType
from typing import Any, Literal, Self

from seqring import _aio, _lifetime, _spill
from seqring._seqring import Ring, Taker, Words, Writer
from seqring.errors import Closed, Empty, Error, Full, ShutDown, TableFull, TimedOut, TooLarge

Items = Literal["bytes", "pickle"]

# Indices of the ring's words: the number of unfinished items, and the word that `join` waits on.
_UNFINISHED, _ALL_DONE = 0, 1
_WORDS = 2
# `maxsize` of a queue that is made without one.
_MANY = 4096
# The message that names the file of an item must fit.
_SMALLEST = 512


class Queue(_lifetime.Attached):
    """A first-in-first-out queue: each item goes to exactly one `get`.

    It takes the place of `multiprocessing.Queue`, `JoinableQueue` and `queue.Queue`: items are any objects
    that pickle, the methods do the same, and errors are `queue.Full`, `queue.Empty` and, from Python 3.13
    on, `queue.ShutDown`. Any thread and process may call them. A queue pickles to its name.

    >>> queue = Queue()
    >>> queue.put({"task": 1}); queue.put("anything")
    >>> queue.get(), queue.get(timeout=1)
    ({'task': 1}, 'anything')
    >>> queue.close()

    `put` writes the item before it returns: there is no thread that could still have it. An item of a
    process that was killed after the `put` stays.
    """

    _OWN: tuple[str, ...] = ("_ring", "_path", "_slot_bytes", "_items", "_words", "_ends")

    def __init__(
        self,
        maxsize: int = 0,
        item_bytes: int = 2048,
        *,
        name: str | None = None,
        items: Items = "pickle",
        processes: int = 64,
        directory: str | None = None,
    ) -> None:
        """`maxsize`: how many items fit. A queue always has a limit: 4096 if `maxsize` is 0 or less.
        `item_bytes`: larger items lie in files of their own in the directory of the ring, and take longer.
        `items="bytes"`: items are bytes or other objects with a buffer, of at most `item_bytes` bytes, and
        `get` returns a `bytearray`. Nothing is pickled: a process that can write pickles to a queue can run
        code in a process that reads from it.
        `processes`: how many processes can use the queue at a time. `name`: for `Queue.open`.
        `directory`: where it lies, on tmpfs; `/dev/shm` if `None`.
        """
        for what, value in (("item_bytes", item_bytes), ("processes", processes)):
            if value < 1:
                raise ValueError(f"{what} must be at least 1, not {value}")
        if items == "pickle":
            item_bytes = max(item_bytes, _SMALLEST)
        ring = Ring.create(
            maxsize if maxsize > 0 else _MANY,
            item_bytes,
            name=name,
            directory=directory,
            delivery="queue",
            participants=2 * processes,
            words=_WORDS,
        )
        self._attach(ring, items)

    @classmethod
    def open(cls, name: str, *, items: Items = "pickle", directory: str | None = None) -> Self:
        """The queue of that name, created with the same `items`."""
        return cls._attached(Ring.open(name, directory=directory), items)

    def _attach(self, ring: Ring, items: Items) -> None:
        if items not in ("bytes", "pickle"):
            raise ValueError(f'items must be "bytes" or "pickle", not {items!r}')
        self._ring, self._path, self._slot_bytes = ring, ring.path, ring.slot_bytes
        self._items: Items = items
        self._words = ring.words if len(ring.words) >= _WORDS else None
        self._ends: tuple[int, Writer | None, Taker] | None = None
        _lifetime.register(self)

    @property
    def name(self) -> str:
        """The name of the ring behind the queue."""
        return self._ring.name

    @property
    def maxsize(self) -> int:
        """How many items fit."""
        return self._ring.slots

    def _joined(self) -> tuple[Writer | None, Taker]:
        # Every process has a writer: otherwise the stream would end with the last process that
        # puts.
        ends = self._ends
        if ends is None or ends[0] != os.getpid():
            with _lifetime.lock:
                ends = self._ends
                if ends is None or ends[0] != os.getpid():
                    # A signal handler that runs here joins as well; its writer and taker go when
                    # they are replaced.
                    try:
                        # The taker first: a ring that is no queue refuses it, before a writer
                        # joins and ends the stream.
                        taker = self._ring.taker()
                        ends = self._ends = os.getpid(), self._writer(), taker
                    except TableFull as error:
                        text = f"the queue is in use by all its processes; create it with more processes: {error}"
                        raise TableFull(text, error.participants) from None
        return ends[1], ends[2]

    def _writer(self) -> Writer | None:
        try:
            return self._ring.writer()
        except Closed:
            return None  # After `shutdown` the items that are left can still be taken.

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Puts an item into the queue. Waits for room if `block`, for at most `timeout` seconds."""
        end = _lifetime.end_of(timeout if block else None)
        writer, _ = self._joined()
        data, spilled = item, None
        done: list[int | None] = []
        if self._items == "pickle":
            data = pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL)
            if len(data) > self._slot_bytes and self._path is not None:
                spilled = _spill.path(self._path)
        try:
            if spilled is not None:
                _spill.write(spilled, data)
                data = pickle.dumps(_spill.Spilled(spilled), protocol=pickle.HIGHEST_PROTOCOL)
            # During the wait the item is not counted: a process killed here leaves no task.
            while not self._put_now(writer, data, done):
                left = 0.0 if not block else None if end is None else max(0.0, end - time.monotonic())
                if left == 0.0 or writer is None or not writer.wait(left):
                    raise Full(f"the queue holds {self.maxsize} items")
        except TooLarge as error:
            raise TooLarge(error.size, error.limit, "an item") from None
        except Closed:
            raise ShutDown(f"the queue {self.name!r} was shut down") from None
        finally:
            # After a Ctrl-C, too: an item that is in the queue keeps its file.
            if spilled is not None and not done:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(spilled)

    def _put_now(self, writer: Writer | None, data: Any, done: list[int | None]) -> bool:
        """Returns whether the item is put. If not, `done` is empty."""
        if writer is None:
            raise Closed
        steps: list[Callable[[], int | None]] = [partial(writer._write_in_turn, data, self.full)]
        # Counted first: another process can get the item and call `task_done` at once.
        if self._words is not None:
            steps.insert(0, partial(self._words.add, _UNFINISHED, 1))
        try:
            # No bytecode runs between a step and the storing of its result: at a Ctrl-C each step
            # is either done and recorded, or not done.
            done.extend(map(call, steps))
        finally:
            is_put = len(done) == len(steps) and done[-1] is not None
            if not is_put:
                is_counted = self._words is not None and len(done) > 0
                done.clear()
                if is_counted:
                    self._finish()
        return is_put

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Takes an item out of the queue. Waits for one if `block`, for at most `timeout`
        seconds."""
        return self._item(self._take(block, timeout))

    def _take(self, block: bool, timeout: float | None = None) -> Any:
        _, taker = self._joined()
        try:
            if not block:
                data = taker._take_in_turn(self.empty)
                if data is None:
                    raise Empty("the queue is empty")
                return data
            _lifetime.end_of(timeout)
            return taker.take(timeout)
        except TimedOut as error:
            raise Empty(str(error)) from None
        except Closed:
            raise ShutDown(f"the queue {self.name!r} was shut down, and is empty") from None

    def _item(self, data: bytearray) -> Any:
        return pickle.loads(data) if self._items == "pickle" else data

    async def aget(self) -> Any:
        """As `get`, in an event loop. A task that is cancelled has taken no item."""
        while True:
            try:
                data = self._take(block=False)
            except Empty:
                await _aio.ready(self._joined()[1])
            else:
                return self._item(data)

    async def aput(self, item: Any) -> None:
        """As `put`, in an event loop. A task that is cancelled has put no item."""
        while True:
            try:
                return self.put_nowait(item)
            except Full:
                writer, _ = self._joined()
                assert writer is not None, "a queue that was shut down raises ShutDown"
                await _aio.ready(writer)

    def fileno(self) -> int:
        """A descriptor that becomes readable when there is an item, as `Reader.fileno`. Another process may
        get the item first."""
        return self._joined()[1].fileno()

    def _wait_for(self) -> Taker:
        return self._joined()[1]

    def put_nowait(self, item: Any) -> None:
        """`put(item, block=False)`."""
        self.put(item, block=False)

    def get_nowait(self) -> Any:
        """`get(block=False)`."""
        return self.get(block=False)

    def task_done(self) -> None:
        """Marks one item from `get` as done. Raises `ValueError` if all items are marked
        already."""
        self._finish()

    def join(self, timeout: float | None = None) -> None:
        """Waits until `task_done` was called, in any process, for every item.

        An item that a process got and had not finished when it was killed stays unfinished. `timeout`, in
        seconds, limits the wait. Raises `TimedOut`.
        """
        words, end = self._counted(), _lifetime.end_of(timeout)
        while True:
            seen = words.notified(_ALL_DONE)
            if words.load(_UNFINISHED) == 0:
                return
            left = None if end is None else max(0.0, end - time.monotonic())
            if not words.wait(_ALL_DONE, seen, left):
                raise TimedOut(f"end of {words.load(_UNFINISHED)} tasks")

    def _finish(self) -> None:
        words = self._counted()
        while (unfinished := words.load(_UNFINISHED)) > 0:
            if words.exchange(_UNFINISHED, unfinished, unfinished - 1):
                if unfinished == 1:
                    words.notify(_ALL_DONE)
                return
        raise ValueError("task_done() called too many times")

    def _counted(self) -> Words:
        if self._words is None:
            raise Error(f"the ring {self.name!r} counts no tasks: seqring.Queue did not make it")
        return self._words

    def qsize(self) -> int:
        """Number of items in the queue, at one moment."""
        self._joined()
        return max(one.lag for one in self._ring.stats().of("taker"))

    def empty(self) -> bool:
        """Whether the queue was empty, at one moment."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Whether the queue was full, at one moment."""
        return self.qsize() >= self.maxsize

    def shutdown(self, immediate: bool = False) -> None:
        """`put` raises `ShutDown` from now on; `get` does once the queue is empty.

        With `immediate` the items that are there are dropped, and count as done.
        """
        self._ring.shutdown()
        while immediate:
            try:
                data = self._take(block=False)
            except (Empty, ShutDown):
                return
            if self._words is not None:
                self._finish()
            with contextlib.suppress(Exception):
                self._item(data)  # Removes the file of a large item.

    def join_thread(self) -> None:
        """Returns at once, as for `multiprocessing.Queue`: no thread writes items."""

    def cancel_join_thread(self) -> None:
        """Does nothing, as for `multiprocessing.Queue`: no thread writes items, and none are lost."""

    def close(self) -> None:
        """Releases the queue in this process. The last process that does removes it."""
        if self._ring.closed:
            return
        # Without its name, other processes can still have the queue, and its large items.
        was_named = self._path is not None and os.path.exists(self._path)
        if self._ends is not None and self._ends[0] == os.getpid():
            for end in self._ends[1:]:
                if end is not None:
                    end.close()
        self._ends = None
        self._ring.close()
        if self._path is not None and was_named and not os.path.exists(self._path):
            _spill.sweep(*os.path.split(self._path))

    def _forget(self) -> None:
        """In a forked child, the queue stays usable."""

    def __del__(self) -> None:
        if hasattr(self, "_ends"):
            self.close()

    def __repr__(self) -> str:
        state = " (closed)" if self._ring.closed else f", {self.maxsize} items, {self._items}"
        return f"<seqring.Queue {self.name!r}{state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _arguments(self) -> tuple[Ring, Items]:
        return self._ring, self._items
