"""The processes of a pipeline."""

from __future__ import annotations

from multiprocessing.context import BaseContext, SpawnContext


class BufferSystem:
    """Number of producers, start method, and whether items come in the order of their messages."""

    def __init__(self, cpus: int, context: BaseContext = SpawnContext(), deterministic: bool = True) -> None:
        self._cpus = cpus
        self._context = context
        self._deterministic = deterministic

    @property
    def cpus(self) -> int:
        return self._cpus

    @property
    def context(self) -> BaseContext:
        return self._context

    @property
    def deterministic(self) -> bool:
        return self._deterministic
