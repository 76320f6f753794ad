"""Processes, named so that a number used again is not taken for the process that had it before."""

from __future__ import annotations


def started(pid: int) -> int | None:
    """When a process started, in the kernel's ticks; `None` if it is not there, or is dead and not yet reaped.

    >>> import os
    >>> started(os.getpid()) == started(os.getpid()) is not None
    True
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # After the name, which may hold anything: state, ppid, …; the start is the 22nd field of all.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def is_gone(pid: int, start: int) -> bool:
    """Whether the process that had this number and start ended. A start of 0 is not known, or not yet."""
    now = started(pid)
    return now is None or start not in (0, now)
