"""How workers are started: as processes of any start method, or as threads."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Literal, Protocol

from seqring.pipeline._working import Commanding, Making, work_in_process, work_in_thread

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess

StartMethod = Literal["fork", "spawn", "forkserver", "threads"]


class Worker(Protocol):
    """A worker that was started."""

    @property
    def pid(self) -> int | None: ...

    def is_alive(self) -> bool: ...

    def kill(self) -> None: ...

    def end(self) -> str:
        """How it ended, for messages."""


class Workers:
    """Starts workers, as the host asks for them."""

    def __init__(
        self, method: StartMethod | BaseContext | None, commanding: Commanding, making: Making, *, is_thread: bool
    ) -> None:
        self._commanding = commanding
        self._making = making
        self._commands_in_thread = is_thread or method == "threads"
        self._context: Any = None if method == "threads" else context_of(method, commanding.commander, making.producer)

    def start(self, index: int | None, ticket: bytes) -> Worker:
        """Starts the commander, or the producer of that index."""
        role = self._commanding if index is None else self._making
        name = f"seqring, {name_of(index)}"
        if self._context is None or (index is None and self._commands_in_thread):
            thread = threading.Thread(target=work_in_thread, args=(role, index, ticket), name=name, daemon=True)
            thread.start()
            return ThreadWorker(thread)
        process = self._context.Process(target=work_in_process, args=(role, index, ticket), name=name, daemon=True)
        process.start()
        return ProcessWorker(process)


class ThreadWorker:
    """A thread of this process, which was started."""

    pid = None

    def __init__(self, thread: threading.Thread) -> None:
        self._thread = thread

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def kill(self) -> None:
        """Nobody can end a thread."""

    def end(self) -> str:
        return "ended"


class ProcessWorker:
    """A process of multiprocessing, which was started."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self.pid = process.pid

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def end(self) -> str:
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"(process {self.pid}) was killed by signal {-code}"
        return f"(process {self.pid}) ended with exit code {code}"


def name_of(index: int | None) -> str:
    """What messages call a worker."""
    return "the commander" if index is None else f"producer {index}"


def context_of(method: StartMethod | BaseContext | None, *roles: Any) -> BaseContext:
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
