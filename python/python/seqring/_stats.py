"""The figures of a ring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict

Role = Literal["writer", "reader", "taker"]


@dataclass(frozen=True, slots=True)
class Participant:
    """A registered writer, reader or taker.

    One that is not `alive` was killed, and nobody needed its place since. `position` is the sequence that it reads or
    writes next, `lag` the messages published that it has not read, `missed` those that it lost (readers) or found no room
    for (writers), `sleeps` how often it went to sleep.
    """

    entry: int
    role: Role
    pid: int
    alive: bool
    position: int
    lag: int
    missed: int
    sleeps: int


@dataclass(frozen=True, slots=True)
class Stats:
    """The figures of a ring, not all of one instant."""

    name: str
    next_sequence: int
    slots: int
    participants: tuple[Participant, ...]

    def of(self, role: Role) -> list[Participant]:
        """The participants of that role."""
        return [one for one in self.participants if one.role == role]


class Figures(TypedDict):
    entry: int
    role: Role
    pid: int
    alive: bool
    position: int
    lag: int
    missed: int
    sleeps: int


def make(name: str, next_sequence: int, slots: int, participants: list[Figures]) -> Stats:
    return Stats(name, next_sequence, slots, tuple(Participant(**figures) for figures in participants))
