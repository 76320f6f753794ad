"""Progress bars: `tqdm`, or any object with `update`."""

from __future__ import annotations

from typing import Any, Protocol


class Bar(Protocol):
    def update(self, count: int) -> Any: ...

    def end(self) -> None: ...


class _OwnedBar:
    """A bar that the pipeline made and closes."""

    def __init__(self, bar: Any) -> None:
        self.update = bar.update
        self.end = bar.close


class _UserBar:
    """A bar of the user's, which stays open."""

    def __init__(self, bar: Any) -> None:
        self.update = bar.update

    def end(self) -> None:
        """The user closes it."""


def bar_of(progress: Any, total: int | None) -> Bar | None:
    """The bar for `progress`: `None`, a bar, or a function that makes one from the number of
    items."""
    if progress is None:
        return None
    if isinstance(progress, type) or not hasattr(progress, "update"):
        return _OwnedBar(progress(total=total))
    return _UserBar(progress)
