"""A bar that shows how far a pipeline is: `tqdm`'s, or whatever has `update`."""

from __future__ import annotations

from typing import Any, Protocol


class Bar(Protocol):
    def update(self, count: int) -> Any: ...

    def end(self) -> None: ...


class _Own:
    """A bar that was made here, and ends with the pipeline."""

    def __init__(self, bar: Any) -> None:
        self.update = bar.update
        self.end = bar.close


class _Given:
    """A bar of the user's."""

    def __init__(self, bar: Any) -> None:
        self.update = bar.update

    def end(self) -> None:
        """Its owner ends it."""


def bar_of(progress: Any, total: int | None) -> Bar | None:
    """What `progress` stands for: nothing, a bar, or what makes one when it is told how many items there will be."""
    if progress is None:
        return None
    if isinstance(progress, type) or not hasattr(progress, "update"):
        return _Own(progress(total=total))
    return _Given(progress)
