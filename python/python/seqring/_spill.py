"""Items that do not fit into a queue's slots: each in a file of its own, beside the ring's.

The message in the queue names the file. `take` removes it; `sweep` removes the files of rings that are gone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
from typing import Any

from seqring.errors import NoSpace

_SUFFIX = ".item"


def path(ring_path: str) -> str:
    """The path of a new file for an item."""
    directory, name = os.path.split(ring_path)
    return os.path.join(directory, f".{name}-{os.urandom(8).hex()}{_SUFFIX}")


def write(path: str, data: bytes) -> None:
    """Stores the item. After an error the file can exist."""
    try:
        with open(path, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(data)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            text = f"{os.path.dirname(path)} has no room for an item of {len(data)} bytes"
            raise NoSpace(error.errno, text) from None
        raise


def take(path: str) -> Any:
    """The object in the file, which is removed. Unpickling a `Spilled` calls this."""
    with open(path, "rb") as file:
        os.unlink(path)
        return pickle.load(file)


class Spilled:
    """Pickles to the call that takes the item."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return take, (self.path,)


def sweep(directory: str, ring: str | None = None) -> None:
    """Removes the items of the rings that are no longer there, or of that one."""
    with os.scandir(directory) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(_SUFFIX)]
    for name in names:
        owner = name[1:].rpartition("-")[0]
        if not owner.endswith(".seqring") or ring not in (None, owner):
            continue
        if not os.path.exists(os.path.join(directory, owner)):
            with contextlib.suppress(FileNotFoundError, PermissionError):
                os.unlink(os.path.join(directory, name))
