"""How workers are started: as processes of any start method, or as threads."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

from seqring.pipeline._working import Commanding, Making, Sent, interrupt, work_in_process

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess

StartMethod = Literal["fork", "spawn", "forkserver", "threads"]

# One that is killed dies, though a busy machine may need more time for that than it is asked to wait.
_DEATH_SECONDS = 2.0


class Worker(Protocol):
    """A worker that was started."""

    @property
    def pid(self) -> int | None: ...

    @property
    def sentinel(self) -> int | None:
        """A descriptor that becomes readable when it has ended, if there is one."""

    def wait(self, timeout: float) -> int | None:
        """The exit code, once it has ended, for which it waits that long; negative: a signal."""

    def kill(self) -> None: ...


class Workers:
    """Starts workers, as the host asks for them.

    With the start method `"threads"` the host does so itself, by `roles`: the commander's, and each producer's.
    """

    def __init__(
        self,
        method: StartMethod | BaseContext | None,
        commanding: Commanding,
        making: Making,
        producers: int,
        *,
        commander_is_thread: bool,
    ) -> None:
        self._commanding = commanding
        self._making = making
        self._commander_is_thread = commander_is_thread
        self.roles: tuple[Commanding, list[Making]] | None = None
        if method == "threads":
            self.roles = commanding, [making.copied() for _ in range(producers)]
        else:
            travellers = [making.producer] if commander_is_thread else [commanding.commander, making.producer]
            self._context: Any = context_of(method, travellers)

    def interrupt(self) -> None:
        """Has threads leave the user's code, if they can."""
        interrupt([self._commanding, *(self.roles[1] if self.roles else [])])

    def start(self, index: int | None, ticket: str) -> Worker:
        """Starts the commander, or the producer of that index."""
        role = self._commanding if index is None else self._making
        name = "seqring, the commander" if index is None else f"seqring, producer {index}"
        if index is None and self._commander_is_thread:
            return ThreadWorker(role.work, ticket, name)
        return ProcessWorker(
            self._context.Process(target=work_in_process, args=(Sent(role), ticket), name=name, daemon=True)
        )


class ThreadWorker:
    """A thread of this process."""

    def __init__(self, work: Callable[[str], None], ticket: str, name: str) -> None:
        self.pid = os.getpid()
        # Looks at it need no interpreter. Written to, not closed: children may have copies.
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
        """Nobody can end a thread."""

    def __del__(self) -> None:
        if hasattr(self, "sentinel"):
            os.close(self.sentinel)


class ProcessWorker:
    """A process of multiprocessing."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self._killed: float | None = None
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


def context_of(method: StartMethod | BaseContext | None, roles: list[Any]) -> BaseContext:
    """How processes are started. What was typed into a notebook or at a prompt, no other interpreter can import: there
    it is fork."""
    import multiprocessing

    stranded = [role for role in roles if is_interactive() and is_of_main(role)]
    if method is None and stranded:
        method = "fork"
    context: Any = multiprocessing.get_context(method) if method is None or isinstance(method, str) else method
    started = context.get_start_method()
    if stranded and started != "fork":
        raise ValueError(
            f"processes of start method {started!r} cannot import {stranded[0]!r}, which was defined interactively: "
            'put it into a module, or use start_method="fork" or "threads"'
        )
    return context  # type: ignore[no-any-return]


def is_interactive() -> bool:
    """Whether the main module is a notebook, a prompt or `-c`: nobody can import it again."""
    main = sys.modules.get("__main__")
    return getattr(main, "__file__", None) is None and getattr(main, "__spec__", None) is None


def is_of_main(role: Any) -> bool:
    """Whether the class, or function, of a commander or producer was defined in the main module."""
    method = getattr(role, "create_data", None) or getattr(role, "create_message", None)
    return "__main__" in (type(role).__module__, getattr(method, "__module__", None))
