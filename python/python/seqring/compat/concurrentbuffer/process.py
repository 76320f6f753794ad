"""The common base of commanders and producers, and of their processes."""

from __future__ import annotations

from abc import ABC
from multiprocessing.context import BaseContext, ForkContext, SpawnContext
from typing import TypeVar

from seqring.pipeline._worker import PickledTask, Task, work_in_process

Process = TypeVar("Process")


class SubProcessObject(ABC):
    """An object that runs in a process of its own."""

    def build(self) -> None:
        """Called once in that process, first."""


class WorkerProcess:
    """A mixin for process classes: the process runs one task of a pipeline."""

    daemon: bool

    def __init__(self, task: Task, ticket: str) -> None:
        super().__init__()
        self.daemon = True
        self._pickled = PickledTask(task)
        self._ticket = ticket

    def run(self) -> None:
        work_in_process(self._pickled, self._ticket)


def of_context(context: BaseContext, of_fork: type[Process], of_spawn: type[Process]) -> type[Process]:
    """The class for a context. Raises `ValueError` for a context other than fork and spawn."""
    if isinstance(context, ForkContext):
        return of_fork
    if isinstance(context, SpawnContext):
        return of_spawn
    raise ValueError(f"the context must be a ForkContext or a SpawnContext, not {context!r}")

