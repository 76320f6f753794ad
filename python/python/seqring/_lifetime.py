"""Closes open objects when a process ends, and forgets them in a forked child."""

from __future__ import annotations

import atexit
import itertools
import os
import sys
import threading
import weakref
from typing import Protocol


class Closable(Protocol):
    def close(self) -> None: ...

    def _forget(self) -> None: ...


_living: weakref.WeakSet[Closable] = weakref.WeakSet()
_numbers = itertools.count()
_registered_in = 0

pid = os.getpid()
"""The pid of this process, kept to avoid a system call."""


class ProcessLock:
    """A lock between the threads of a process. In a forked child it is free: its holder does not
    exist there."""

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


def unused_name() -> str:
    """A name that no other ring has."""
    return f"py-{os.getpid()}-{next(_numbers)}-{os.urandom(4).hex()}"


def register(thing: Closable) -> None:
    """Closes `thing` when the process ends. In a forked child, drops the copy at once.

    A copy would keep the parent's locks, which mark the parent as alive.
    """
    _living.add(thing)
    global _registered_in
    if _registered_in != os.getpid():
        _registered_in = os.getpid()
        _register_exit()


def _register_exit() -> None:
    atexit.register(_close_all)
    # In some versions a process of multiprocessing ends without calling atexit functions, but calls
    # these.
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _close_all, exitpriority=0)


def _close_all() -> None:
    failed: BaseException | None = None
    # Objects made of readers and writers close first: their `close` still uses those.
    for thing in sorted(_living, key=lambda thing: type(thing).__module__ == "seqring"):
        try:
            thing.close()
        except BaseException as error:
            failed = failed or error  # The others are still closed.
    try:
        if failed is not None:
            raise failed
    finally:
        del failed  # Its traceback refers to this frame.


def _forget_all() -> None:
    global pid
    pid = os.getpid()
    # Here the process has one thread. Later, two threads could each renew the same lock.
    for lock in list(_locks):
        lock._renew()
    for thing in list(_living):
        thing._forget()


os.register_at_fork(after_in_child=_forget_all)
