"""What commanders and producers have in common."""

from __future__ import annotations

from abc import ABC


class SubProcessObject(ABC):
    """Something that works in a process of its own."""

    def build(self) -> None:
        """Called once, in that process, before anything else."""
