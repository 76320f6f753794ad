"""What commanders and producers have in common, and their processes."""

from __future__ import annotations

from abc import ABC
from multiprocessing.context import BaseContext, ForkContext, SpawnContext
from typing import TypeVar

from seqring.pipeline._working import Role, Sent, work_in_process

Process = TypeVar("Process")


class SubProcessObject(ABC):
    """Something that works in a process of its own."""

    def build(self) -> None:
        """Called once, in that process, before anything else."""


class WorkerProcess:
    """A process that has one role in a pipeline. It is mixed with a class of processes."""

    daemon: bool

    def __init__(self, role: Role, ticket: str) -> None:
        super().__init__()
        self.daemon = True
        self._sent = Sent(role)
        self._ticket = ticket

    def run(self) -> None:
        work_in_process(self._sent, self._ticket)


def of_context(context: BaseContext, of_fork: type[Process], of_spawn: type[Process]) -> type[Process]:
    """The class for a context. Raises `ValueError` for one that is neither fork's nor spawn's."""
    if isinstance(context, ForkContext):
        return of_fork
    if isinstance(context, SpawnContext):
        return of_spawn
    raise ValueError(f"the context must be a ForkContext or a SpawnContext, not {context!r}")

