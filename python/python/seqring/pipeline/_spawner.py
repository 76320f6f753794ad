"""Starts workers: as processes of any start method, or as threads."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, Protocol

from seqring.pipeline._worker import CommanderTask, PickledTask, ProducerTask, interrupt, work_in_process

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess

StartMethod = Literal["fork", "spawn", "forkserver", "threads"]

# A killed process ends, but on a busy machine later than the requested wait.
_DEATH_SECONDS = 2.0


class Worker(Protocol):
    """A started worker."""

    @property
    def pid(self) -> int | None: ...

    @property
    def sentinel(self) -> int | None:
        """A descriptor that becomes readable when the worker has ended, if there is one."""

    def wait(self, timeout: float) -> int | None:
        """Waits for the end. Returns the exit code (negative: a signal), or `None` after
        `timeout`."""

    def kill(self) -> None: ...


class Spawner:
    """Starts workers when the host requests them.

    With the start method `"threads"` the host starts them itself, from `roles`: the commander's and each
    producer's.
    """

    def __init__(
        self,
        method: StartMethod | BaseContext | None,
        commander: CommanderTask,
        producer: ProducerTask,
        producers: int,
        *,
        commander_is_thread: bool,
    ) -> None:
        self._commander = commander
        self._producer = producer
        self._commander_is_thread = commander_is_thread
        self.roles: tuple[CommanderTask, list[ProducerTask]] | None = None
        if method == "threads":
            self.roles = commander, [producer.copied() for _ in range(producers)]
        else:
            pickled = [producer.producer] if commander_is_thread else [commander.commander, producer.producer]
            self._context: Any = context_of(method, pickled)

    def interrupt(self) -> None:
        """Interrupts threads that run the user's code."""
        interrupt([self._commander, *(self.roles[1] if self.roles else [])])

    def start(self, index: int | None, ticket: str) -> Worker:
        """Starts the commander, or the producer of that index."""
        role = self._commander if index is None else self._producer
        name = "seqring, the commander" if index is None else f"seqring, producer {index}"
        if index is None and self._commander_is_thread:
            return ThreadWorker(role.work, ticket, name)
        return ProcessWorker(
            self._context.Process(target=work_in_process, args=(PickledTask(role), ticket), name=name, daemon=True)
        )


class ThreadWorker:
    """A thread of this process."""

    def __init__(self, work: Callable[[str], None], ticket: str, name: str) -> None:
        self.pid = os.getpid()
        # Polling it needs no interpreter. It is written to, not closed: children can have copies.
        self.sentinel = os.eventfd(0, os.EFD_CLOEXEC)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(work, ticket), name=name, daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[str], None], ticket: str) -> None:
        try:
            work(ticket)
        finally:
            self._ended.set()
            os.eventfd_write(self.sentinel, 1)

    def wait(self, timeout: float) -> int | None:
        if not self._ended.wait(timeout):
            return None
        self._thread.join()
        return 0

    def kill(self) -> None:
        """A thread cannot be killed."""

    def __del__(self) -> None:
        if hasattr(self, "sentinel"):
            os.close(self.sentinel)


class ProcessWorker:
    """A process of multiprocessing."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self._killed: float | None = None
        with as_parent():
            process.start()
        self.pid = process.pid
        self.sentinel = process.sentinel

    def wait(self, timeout: float) -> int | None:
        if timeout > 0:
            if self._killed is not None:
                timeout = max(timeout, self._killed + _DEATH_SECONDS - time.monotonic())
            self._process.join(timeout)
        return self._process.exitcode

    def kill(self) -> None:
        self._killed = time.monotonic()
        self._process.kill()


@contextlib.contextmanager
def as_parent() -> Iterator[None]:
    """multiprocessing refuses children to a daemonic process, which is killed without a word to them.
    Workers of a pipeline end with their host, however it ends."""
    import multiprocessing

    process = multiprocessing.current_process()
    if not process.daemon:
        yield
        return
    config: dict[str, Any] = process._config  # type: ignore[attr-defined]
    config["daemon"] = False
    try:
        yield
    finally:
        config["daemon"] = True


def context_of(method: StartMethod | BaseContext | None, roles: list[Any]) -> BaseContext:
    """The multiprocessing context. Another interpreter cannot import classes that were defined in a
    notebook or at a prompt: for these the default is fork."""
    import multiprocessing

    unimportable = [role for role in roles if is_interactive() and is_of_main(role)]
    if method is None and unimportable:
        method = "fork"
    context: Any = multiprocessing.get_context(method) if method is None or isinstance(method, str) else method
    started = context.get_start_method()
    if unimportable and started != "fork":
        raise ValueError(
            f"processes of start method {started!r} cannot import {unimportable[0]!r}, which was defined interactively: "
            'put it into a module, or use start_method="fork" or "threads"'
        )
    return context  # type: ignore[no-any-return]


def is_interactive() -> bool:
    """Whether the main module is a notebook, a prompt or `-c`, which cannot be imported."""
    main = sys.modules.get("__main__")
    return getattr(main, "__file__", None) is None and getattr(main, "__spec__", None) is None


def is_of_main(role: Any) -> bool:
    """Whether the class or function of a commander or producer was defined in the main module."""
    method = getattr(role, "create_data", None) or getattr(role, "create_message", None)
    return "__main__" in (type(role).__module__, getattr(method, "__module__", None))
