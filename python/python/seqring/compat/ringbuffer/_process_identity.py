"""Identifies processes by pid and start time, so that a reused pid is recognized."""

from __future__ import annotations


def started(pid: int) -> int | None:
    """When a process started, in the kernel's ticks; `None` if it does not exist or is a zombie.

    >>> import os
    >>> started(os.getpid()) == started(os.getpid()) is not None
    True
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The fields after the name, which can contain any character; the start is field 22 of
            # all.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def is_gone(pid: int, start: int) -> bool:
    """Whether the process with this pid and start has ended. A start of 0 is unknown."""
    now = started(pid)
    return now is None or start not in (0, now)
