"""A queue between threads and processes, with the methods of `queue.Queue`."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable
from functools import partial
from operator import call
from types import TracebackType
from typing import Any, Literal

from seqring._lifetime import ProcessLock
from seqring._seqring import Ring, Taker, Words, Writer
from seqring.errors import Empty, Error, Full, TimedOut

Items = Literal["bytes", "pickle"]

# In the words of the ring: how many items are not done, and who waits until there is none.
_UNFINISHED, _ALL_DONE = 0, 1
_WORDS = 2


class Queue:
    """First in, first out: each item goes to exactly one `get`.

    `maxsize` items fit, each of at most `item_bytes` bytes. Items are bytes or other objects with a buffer, and come out
    as `bytearray`. With `items="pickle"` they are any objects: then whoever may write to the queue can run code in
    whoever reads from it, so this is to be asked for.

    The methods do what those of `queue.Queue` do, raise `queue.Full` and `queue.Empty`, and may be called by any thread
    and process. A queue pickles to its name. It needs room for two participants a process, 16 processes unless
    `processes` says otherwise.

    >>> queue = Queue(2, 64)
    >>> queue.put(b"first"); queue.put(b"second")
    >>> queue.full()
    True
    >>> queue.get()
    bytearray(b'first')
    >>> queue.close()
    """

    def __init__(
        self,
        maxsize: int,
        item_bytes: int,
        *,
        name: str | None = None,
        items: Items = "bytes",
        processes: int = 16,
    ) -> None:
        ring = Ring.create(
            maxsize, item_bytes, name=name, delivery="queue", participants=2 * processes, words=_WORDS
        )
        self._begin(ring, items)

    @classmethod
    def open(cls, name: str, *, items: Items = "bytes") -> Queue:
        """The queue of that name."""
        queue = cls.__new__(cls)
        queue._begin(Ring.open(name), items)
        return queue

    def _begin(self, ring: Ring, items: Items) -> None:
        if items not in ("bytes", "pickle"):
            raise ValueError(f'items must be "bytes" or "pickle", not {items!r}')
        self._ring = ring
        self._items: Items = items
        self._words = ring.words if len(ring.words) >= _WORDS else None
        self._ends: tuple[int, Writer, Taker] | None = None
        self._joining = ProcessLock()

    @property
    def name(self) -> str:
        """The name of the ring behind the queue."""
        return self._ring.name

    @property
    def maxsize(self) -> int:
        """Items that fit."""
        return self._ring.slots

    def _joined(self) -> tuple[Writer, Taker]:
        # Whoever takes is a writer too: else the stream would end with the last process that puts.
        ends = self._ends
        if ends is None or ends[0] != os.getpid():
            with self._joining:
                ends = self._ends
                if ends is None or ends[0] != os.getpid():
                    ends = self._ends = os.getpid(), self._ring.writer(), self._ring.taker()
        return ends[1], ends[2]

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Puts an item into the queue, waiting for room if `block`, for at most `timeout` seconds if that is given."""
        data = pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL) if self._items == "pickle" else item
        if block and timeout is not None and timeout < 0:
            raise ValueError("'timeout' must be a non-negative number")
        end = None if timeout is None else time.monotonic() + timeout
        writer, _ = self._joined()
        # It waits with nothing counted: who is killed meanwhile leaves no task behind.
        while not self._put_now(writer, data):
            left = 0.0 if not block else None if end is None else max(0.0, end - time.monotonic())
            if left == 0.0 or not writer.wait(left):
                raise Full(f"all {self.maxsize} places are taken")

    def _put_now(self, writer: Writer, data: Any) -> bool:
        steps: list[Callable[[], int | None]] = [partial(writer._write_in_turn, data, self.full)]
        # Counted first: whoever gets the item may be done with it at once.
        if self._words is not None:
            steps.insert(0, partial(self._words.add, _UNFINISHED, 1))
        done: list[int | None] = []
        try:
            # Nothing of Python's between a step and its result: Ctrl-C finds each done, and noted, or not done.
            done.extend(map(call, steps))
        finally:
            is_put = len(done) == len(steps) and done[-1] is not None
            if self._words is not None and done and not is_put:
                self._finish()
        return is_put

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Takes an item out of the queue, waiting for one if `block`, for at most `timeout` seconds if that is given."""
        _, taker = self._joined()
        if not block:
            data = taker._take_in_turn(self.empty)
            if data is None:
                raise Empty("the queue is empty")
            return self._item(data)
        if timeout is not None and timeout < 0:
            raise ValueError("'timeout' must be a non-negative number")
        try:
            return self._item(taker.take(timeout))
        except TimedOut as error:
            raise Empty(str(error)) from None

    def _item(self, data: bytearray) -> Any:
        return pickle.loads(data) if self._items == "pickle" else data

    def put_nowait(self, item: Any) -> None:
        """`put(item, block=False)`."""
        self.put(item, block=False)

    def get_nowait(self) -> Any:
        """`get(block=False)`."""
        return self.get(block=False)

    def task_done(self) -> None:
        """Says that an item which `get` gave is done with. Raises `ValueError` if that was said for all of them."""
        self._finish()

    def join(self, timeout: float | None = None) -> None:
        """Waits until `task_done` was called, in whichever process, for every item that was put.

        What a process got and was not done with when it was killed stays undone: `timeout`, in seconds, bounds the wait
        for it. Raises `TimedOut`.
        """
        words, end = self._counted(), None if timeout is None else time.monotonic() + timeout
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
            raise Error(f"the ring {self.name!r} counts no tasks: it was not made by seqring.Queue")
        return self._words

    def qsize(self) -> int:
        """Items in the queue, when it was looked at."""
        self._joined()
        return max(one.lag for one in self._ring.stats().of("taker"))

    def empty(self) -> bool:
        """Whether there was no item when it was looked at."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Whether there was no room when it was looked at."""
        return self.qsize() >= self.maxsize

    def shutdown(self) -> None:
        """`put` raises `Closed` from now on, and `get` too, once everything is taken."""
        self._ring.shutdown()

    def close(self) -> None:
        """Lets go of the queue in this process. The last one out removes it."""
        if self._ends is not None and self._ends[0] == os.getpid():
            for end in self._ends[1:]:
                end.close()
        self._ends = None
        self._ring.close()

    def __enter__(self) -> Queue:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, tuple[str, Items]]:
        return _open_queue, (self.name, self._items)


def _open_queue(name: str, items: Items) -> Queue:
    return Queue.open(name, items=items)
