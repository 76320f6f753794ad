"""`python -m seqring perf | ls | stat | gc …`: the command `seqring`."""

from __future__ import annotations

import signal
import sys

from seqring import _spill
from seqring._seqring import command


def main() -> int:
    """Runs the command with this process's arguments, and returns its exit code."""
    # The command handles Ctrl-C itself; the interpreter would raise KeyboardInterrupt after it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    code = command(sys.argv[1:], [sys.executable, "-m", "seqring"])
    if sys.argv[1:2] == ["gc"] and "--remove" in sys.argv:
        directory = [sys.argv[n] for n, word in enumerate(sys.argv, 1) if word == "--directory" and n < len(sys.argv)]
        directory += [word.partition("=")[2] for word in sys.argv if word.startswith("--directory=")]
        _spill.sweep(directory[-1] if directory else "/dev/shm")
    return code


if __name__ == "__main__":
    sys.exit(main())
