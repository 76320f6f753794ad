"""Ends the use of rings when a process ends, and makes a forked child's copies its own."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, Self

from seqring import _seqring, _spill
from seqring._seqring import Ring, end_daemon_threads, leave_rings, living
from seqring._seqring import register as register

_follows_forks = False

pid = os.getpid()
"""The pid of this process, kept to avoid a system call."""


class ProcessLock:
    """The lock between the threads of a process for steps of Python code that do not wait.

    There is one for all objects, and it is reentrant: a signal handler or a finalizer can run during such
    a step, and take the same step. In a forked child it is free, unless the thread that forked holds it:
    other threads do not exist there.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def renew(self) -> None:
        if self._lock.acquire(blocking=False):
            self._lock.release()
        else:
            self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


lock = ProcessLock()


def end_of(timeout: float | None) -> float | None:
    """When a wait of `timeout` seconds ends, by `time.monotonic`; `None` if it has no limit."""
    if timeout is None:
        return None
    if not timeout >= 0:
        raise ValueError(f"'timeout' must be a non-negative number of seconds, or None, not {timeout}")
    return time.monotonic() + timeout


class Attached:
    """An object that pickles as its class, the arguments of `_attach`, and what a derived class sets
    besides `_OWN`."""

    _OWN: tuple[str, ...] = ()

    @classmethod
    def _attached(cls, *arguments: Any) -> Self:
        thing = cls.__new__(cls)
        thing._attach(*arguments)
        return thing

    def _attach(self, *arguments: Any, **keywords: Any) -> None:
        raise NotImplementedError

    def _arguments(self) -> tuple[Any, ...]:
        """Those of `_attach` for an equal object in another process."""
        raise NotImplementedError

    def __reduce__(self) -> tuple[Any, ...]:
        added = {name: value for name, value in vars(self).items() if name not in self._OWN}
        return type(self)._attached, self._arguments(), added or None


def is_daemon() -> bool:
    """Whether this thread ends with the process. In a child that a daemon thread forked, that thread is the
    main one."""
    thread = threading.current_thread()
    return thread.daemon and thread is not threading.main_thread()


def register_exit() -> None:
    """Called for the first object of a process."""
    global _follows_forks
    atexit.unregister(_end)
    atexit.register(_end)
    # A process of multiprocessing ends without the end of the interpreter, and in some versions
    # without calling atexit functions, but calls these; the second one after its children ended.
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _end, exitpriority=0)
        util.Finalize(None, leave_rings, exitpriority=-1000)
        if not _follows_forks:
            _follows_forks = True
            # A child begins without finalizers.
            util.register_after_fork(lock, lambda _lock: register_exit())


def _end() -> None:
    end_daemon_threads()
    _close_all()


def _close_all() -> None:
    """Closes all objects. What another thread uses is left by `leave_rings`."""
    failed: BaseException | None = None
    # Objects made of readers and writers close first: their `close` still uses those.
    for thing in sorted(living(), key=lambda thing: type(thing).__module__ == "seqring"):
        try:
            thing.close()
        except BaseException as error:
            failed = failed or error  # The others are still closed.
    try:
        if failed is not None:
            raise failed
    finally:
        del failed  # Its traceback refers to this frame.


def close_at_signal(number: int = signal.SIGTERM) -> None:
    """Closes this process's rings when the signal comes, as a regular end does. Then it does what the
    signal did before: it calls the earlier handler, ends the process, or nothing.

    Call it in the main thread, once, after other handlers are set. Without it a process that `SIGTERM`
    ends was killed: its peers see deaths, and rings that only it used stay until `gc --remove`.
    """
    earlier = signal.getsignal(number)

    def close(number: int, frame: FrameType | None) -> None:
        if earlier == signal.SIG_DFL:
            end_daemon_threads()
        try:
            _close_all()
        finally:
            leave_rings()
            if callable(earlier):
                earlier(number, frame)
            elif earlier != signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)

    signal.signal(number, close)


def gc(*, remove: bool = False, kept: bool = False, directory: str | None = None) -> list[str]:
    """The names of the rings that killed processes left, as `python -m seqring gc` lists them.

    With `remove=True` it removes these rings, and the large items of queues that are gone, as
    `python -m seqring gc --remove` does. A ring that a living process has open stays, and so does one that was
    created with `keep=True`, unless `kept`. `directory` is `/dev/shm` if `None`.
    """
    names = _seqring.gc(remove=remove, kept=kept, directory=directory)
    if remove:
        _spill.sweep(directory or "/dev/shm")
    return names


def open_duplicate(duplicate: Any) -> Ring:
    """A ring without a name, sent by multiprocessing."""
    descriptor = duplicate.detach()
    try:
        return Ring.from_descriptor(descriptor)
    finally:
        os.close(descriptor)


def _rings() -> list[Ring]:
    return [thing for thing in living() if isinstance(thing, Ring)]


def _before_fork() -> None:
    for ring in _rings():
        ring._before_fork()


def _after_fork() -> None:
    for ring in _rings():
        ring._after_fork()


def _forget_all() -> None:
    global pid
    pid = os.getpid()
    lock.renew()
    for thing in living():
        thing._forget()
    if living():
        register_exit()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_forget_all)
