"""Who says what is to be made."""

from __future__ import annotations

from abc import abstractmethod
from multiprocessing.context import BaseContext, ForkProcess, SpawnProcess
from typing import Any

from seqring.compat.concurrentbuffer.process import SubProcessObject, WorkerProcess, of_context
from seqring.pipeline._working import Commanding

STOP_MESSAGE = "/stop"
BUFFER_ID_KEY = "/buffer_id"


class Commander(SubProcessObject):
    """Says what is to be made: one message after the other. `StopIteration` ends the iteration, as `STOP_MESSAGE` does."""

    @abstractmethod
    def create_message(self) -> dict[str, Any]:
        """The next message, a dictionary. It may be the same one each time."""


class Numbering(Commanding):
    """A commander at work: its messages say which buffer they are for."""

    def __init__(self, commander: Commander, message_bytes: int, count: int) -> None:
        super().__init__(commander, message_bytes)
        self._count = count
        self._number = 0

    def encoded(self, message: Any) -> bytes | None:
        if isinstance(message, str) and message == STOP_MESSAGE:
            return None
        message[BUFFER_ID_KEY] = self._number % self._count
        self._number += 1
        return super().encoded(message)


class CommanderProcess(WorkerProcess):
    """The commander's process."""


class CommanderSpawnProcess(CommanderProcess, SpawnProcess):
    """The commander's process, started by spawn."""


class CommanderForkProcess(CommanderProcess, ForkProcess):
    """The commander's process, started by fork."""


def get_commander_process_class_object(context: BaseContext) -> type[CommanderSpawnProcess | CommanderForkProcess]:
    """The class of the commander's process. Raises `ValueError` for a context that is neither fork's nor spawn's."""
    return of_context(context, CommanderForkProcess, CommanderSpawnProcess)
