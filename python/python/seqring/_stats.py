"""A snapshot of a ring and its participants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["writer", "reader", "taker"]


@dataclass(frozen=True, slots=True)
class Participant:
    """A registered writer, reader or taker.

    If it is not `alive`, its process was killed, and its entry has not been reused. `position` is the
    sequence that it reads or writes next. `lag` is the number of published messages that it has not
    read. `lost` is how many messages a reader lost; `refused` is how many calls of a writer found the
    ring full. `sleeps` is how often it went to sleep.
    """

    entry: int
    role: Role
    pid: int
    alive: bool
    position: int
    lag: int
    lost: int
    refused: int
    sleeps: int


@dataclass(frozen=True, slots=True)
class Stats:
    """A snapshot of a ring. Its values are not all of the same instant.

    `awaited_readers` is how many readers must still join (`await_readers`) before anything is overwritten.
    """

    name: str
    next_sequence: int
    slots: int
    awaited_readers: int
    participants: tuple[Participant, ...]

    def of(self, role: Role) -> list[Participant]:
        """The participants of that role."""
        return [one for one in self.participants if one.role == role]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the memory of a ring offers.

    `backend` is `"heap"`, `"file"`, `"memfd"` or `"portable"`. `processes`: other processes can use the
    ring; `named`: by a name; `descriptors`: by a descriptor; `observers`: through a read-only mapping.
    `wakes`: a change wakes a process that waits for it. `liveness`: the death of a participant is detected.
    `sealing`: further writable mappings can be forbidden.
    """

    backend: str
    processes: bool
    named: bool
    wakes: bool
    liveness: bool
    descriptors: bool
    observers: bool
    sealing: bool


def make(name: str, next_sequence: int, slots: int, awaited: int, participants: list[tuple[Any, ...]]) -> Stats:
    return Stats(name, next_sequence, slots, awaited, tuple(Participant(*fields) for fields in participants))
