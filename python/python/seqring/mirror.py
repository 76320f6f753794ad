"""Rings on another host, by the program `seqring-mirror`, which must be installed:

    # On the host of the ring:
    link = seqring.mirror.serve("frames", listen="tcp/10.0.0.1:7447")
    # On the other host:
    link = seqring.mirror.follow("frames", connect="tcp/10.0.0.1:7447")
    ring = seqring.Ring.open("frames", timeout=10)
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from types import TracebackType

__all__ = ["Link", "follow", "serve"]

_CLOSE_SECONDS = 5.0


class Link:
    """A process of `seqring-mirror`. It ends with `close`, at the end of a `with` block, or by itself:
    a mirror when its source is closed for good, and both after an error, whose text goes to standard
    error. It does not end with this process if that is killed.
    """

    def __init__(self, arguments: list[str]) -> None:
        program = shutil.which("seqring-mirror")
        if program is None:
            raise FileNotFoundError(
                "seqring-mirror is not in PATH; install it with `cargo install --path crates/mirror` in the "
                "repository of seqring"
            )
        self._process = subprocess.Popen(
            [program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end of the process. Returns its exit code; raises `TimeoutError`."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"seqring-mirror still runs after {timeout} s") from None

    def close(self) -> None:
        """Ends the process."""
        self._process.terminate()
        try:
            self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Link:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Link(pid {self.pid}, {'running' if self.running else 'ended'})"


def serve(
    *names: str,
    listen: str | Iterable[str] = (),
    connect: str | Iterable[str] = (),
    lossless: bool = False,
    dead_after: float = 2.0,
    hold: float = 60.0,
    ahead: int = 1,
    config: str | os.PathLike[str] | None = None,
) -> Link:
    """Serves the rings of these names to mirrors on other hosts; each is waited for.

    Without an endpoint and without `config`, zenoh's own file, it listens on this host only. `lossless`:
    the writers wait for the mirrors, and for `hold` seconds for one whose link is down. A link is down
    after `dead_after` seconds without a sign of life. Of a queue, each taker of a mirror has `ahead`
    messages beside the one that it works at.
    """
    arguments = ["serve", *names, "--dead-after", str(dead_after), "--hold", str(hold)]
    arguments += ["--ahead", str(ahead)]
    return Link(arguments + ["--lossless"] * lossless + _endpoints(listen, connect, config))


def follow(
    name: str,
    *,
    connect: str | Iterable[str] = (),
    listen: str | Iterable[str] = (),
    local: str | None = None,
    mirror: str | None = None,
    max_bytes: int | None = None,
    config: str | os.PathLike[str] | None = None,
) -> Link:
    """Mirrors the ring that another host serves under `name`, in a ring of that name, or of `local`.

    A lossless server keeps the place of this mirror under the name `mirror`, by default that of this host
    and the ring. A ring that takes more than `max_bytes` is not created.
    """
    arguments = ["mirror", name]
    for flag, value in (("--as", local), ("--id", mirror), ("--max-bytes", max_bytes)):
        if value is not None:
            arguments += [flag, str(value)]
    return Link(arguments + _endpoints(listen, connect, config))


def _endpoints(
    listen: str | Iterable[str], connect: str | Iterable[str], config: str | os.PathLike[str] | None
) -> list[str]:
    arguments = []
    for flag, endpoints in (("--listen", listen), ("--connect", connect)):
        for endpoint in [endpoints] if isinstance(endpoints, str) else endpoints:
            arguments += [flag, endpoint]
    if config is not None:
        arguments += ["--config", os.fspath(config)]
    return arguments
