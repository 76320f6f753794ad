"""Messages for asyncio, and views for loops."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, Self

from seqring._seqring import Observer, Reader, Taker, View, Writer
from seqring.errors import Closed, PeerDied

_SLICE_SECONDS = 0.1
# An observer is not notified: it is asked again after this time.
NAP_SECONDS = 0.005
# After so many messages in a row, the stream lets other tasks run.
TURN = 16


async def ready(*endpoints: Reader | Taker | Observer | Writer) -> None:
    """Waits in the running event loop, after a call to each endpoint found nothing, until one of them may
    find something."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not future.done():
            future.set_result(None)

    # Duplicates: another task may wait for the same endpoint.
    descriptors = [os.dup(one.fileno()) for one in endpoints if not isinstance(one, Observer)]
    timer = loop.call_later(NAP_SECONDS, wake) if len(descriptors) < len(endpoints) else None
    try:
        for descriptor in descriptors:
            loop.add_reader(descriptor, wake)
        await future
    finally:
        for descriptor in descriptors:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        if timer is not None:
            timer.cancel()


class Messages:
    """The messages of a reader, observer or taker, for `async for`.

    It ends when the stream does, and raises `PeerDied` as they do. A message that is there is returned
    without a wait.

    Cancelling a task loses no message: `anext` waits, takes the message without a wait, and returns it
    at once, so a cancelled `anext` has taken none. Where a reader is called in a thread instead, as by `asyncio.to_thread(reader.read)`, a cancelled task leaves the thread reading,
    and the message that it then reads is lost.
    """

    def __init__(self, endpoint: Reader | Observer | Taker, receive: Callable[[], Any] | None = None) -> None:
        self._endpoint = endpoint
        self._try = receive or (endpoint.try_take if isinstance(endpoint, Taker) else endpoint.try_read)
        self._in_a_row = 0

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        self._in_a_row = (self._in_a_row + 1) % TURN
        if self._in_a_row == 0:
            await asyncio.sleep(0)
        try:
            while (message := self._try()) is None:
                await ready(self._endpoint)
        except Closed as error:
            if isinstance(error, PeerDied):
                raise
            raise StopAsyncIteration from None
        return message

    async def aclose(self) -> None:
        """For `contextlib.aclosing`: it does nothing. The reader stays open."""


class Views:
    """The views of the messages of a reader or taker, for `for` and `async for`.

    Each view is released when the next one is asked for, and the last one at the end of the loop. Arrays
    made of it must be gone by then (`del` them, or copy them): otherwise the next step raises `Busy`. The
    loop ends when the stream does, and raises `PeerDied` as the reader does.
    """

    def __init__(self, endpoint: Reader | Taker) -> None:
        self._endpoint = endpoint
        self._messages = Messages(endpoint, endpoint.try_view)
        self._view: View | None = None

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> View:
        self.close()
        try:
            self._view = self._endpoint.view()
        except Closed as error:
            if isinstance(error, PeerDied):
                raise
            raise StopIteration from None
        return self._view

    async def __anext__(self) -> View:
        self.close()
        view: View = await self._messages.__anext__()
        self._view = view
        return view

    def close(self) -> None:
        """Releases the current view."""
        if self._view is not None:
            self._view.release()
            self._view = None

    async def aclose(self) -> None:
        """As `close`."""
        self.close()

    def __del__(self) -> None:
        self.close()


class Waits(Protocol):
    def wait(self, timeout: float | None = None) -> bool: ...


_Request = tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]


class Waiter:
    """A thread that waits for what has no descriptor. Tasks of any event loop can request it."""

    def __init__(self, endpoint: Waits) -> None:
        self._endpoint = endpoint
        self._stopped = False
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="seqring-aio", daemon=True).start()

    async def ready(self) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._requests.put((loop, future))
        await future

    def stop(self) -> None:
        """Ends the thread. Waiting tasks wake and try again."""
        self._stopped = True
        self._requests.put(None)

    def _run(self) -> None:
        while (request := self._requests.get()) is not None:
            loop, future = request
            error = self._wait(future)
            with contextlib.suppress(RuntimeError):  # A closed loop has no waiting task.
                loop.call_soon_threadsafe(_finish, future, error)

    def _wait(self, future: asyncio.Future[None]) -> BaseException | None:
        try:
            while not self._stopped and not future.done() and not self._endpoint.wait(_SLICE_SECONDS):
                pass
        except BaseException as error:
            return error
        return None


def _finish(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
