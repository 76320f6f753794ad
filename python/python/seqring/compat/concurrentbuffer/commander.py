"""The commander, and its process classes."""

from __future__ import annotations

from abc import abstractmethod
from multiprocessing.context import BaseContext, ForkProcess, SpawnProcess
from typing import Any

from seqring.compat.concurrentbuffer.process import SubProcessObject, WorkerProcess, of_context
from seqring.pipeline._worker import CommanderTask

STOP_MESSAGE = "/stop"
BUFFER_ID_KEY = "/buffer_id"


class Commander(SubProcessObject):
    """Issues messages, one after the other. `StopIteration` or `STOP_MESSAGE` ends the
    iteration."""

    @abstractmethod
    def create_message(self) -> dict[str, Any]:
        """The next message, a dictionary. It may be the same one each time."""


class NumberingCommanderTask(CommanderTask):
    """Runs a commander, and adds the number of a buffer to each message."""

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
    """The class of the commander's process. Raises `ValueError` for a context other than fork and
    spawn."""
    return of_context(context, CommanderForkProcess, CommanderSpawnProcess)
