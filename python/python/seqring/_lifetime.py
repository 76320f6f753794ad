"""What happens to open rings when a process ends or forks."""

from __future__ import annotations

import atexit
import itertools
import os
import sys
import threading
import weakref
from typing import Protocol


class Watched(Protocol):
    def close(self) -> None: ...

    def _forget(self) -> None: ...


_living: weakref.WeakSet[Watched] = weakref.WeakSet()
_numbers = itertools.count()
_registered_in = 0

pid = os.getpid()
"""This process, without a system call."""


class ProcessLock:
    """A lock between the threads of a process. After a fork it is free: who held it is not there."""

    def __init__(self) -> None:
        self._renew()
        _locks.add(self)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


_locks: weakref.WeakSet[ProcessLock] = weakref.WeakSet()


def fresh_name() -> str:
    """A name that nobody has."""
    return f"py-{os.getpid()}-{next(_numbers)}-{os.urandom(4).hex()}"


def watch(thing: Watched) -> None:
    """Closes `thing` when the process ends; in a fork's child, drops the copy at once.

    A copy would keep the parent's locks, by which others tell that it lives.
    """
    _living.add(thing)
    global _registered_in
    if _registered_in != os.getpid():
        _registered_in = os.getpid()
        _register()


def _register() -> None:
    atexit.register(_close_all)
    # A process of multiprocessing ends without the functions of atexit, in some versions, but runs these.
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _close_all, exitpriority=0)


def _close_all() -> None:
    failed: BaseException | None = None
    # What is made of readers and writers comes before those, which tell it where they are.
    for thing in sorted(_living, key=lambda thing: type(thing).__module__ == "seqring"):
        try:
            thing.close()
        except BaseException as error:
            failed = failed or error  # The others are closed all the same.
    try:
        if failed is not None:
            raise failed
    finally:
        del failed  # Its traceback has this frame.


def _forget_all() -> None:
    global pid
    pid = os.getpid()
    # Here, where there is one thread: of two who first came for a lock at once, each would make one.
    for lock in list(_locks):
        lock._renew()
    for thing in list(_living):
        thing._forget()


os.register_at_fork(after_in_child=_forget_all)
