"""`python -m seqring perf | ls | stat | gc …`: the command `seqring`."""

from __future__ import annotations

import signal
import sys

from seqring._seqring import command


def main() -> int:
    """Runs the command with this process's arguments, and returns its exit code."""
    # The command handles Ctrl-C itself; the interpreter would raise KeyboardInterrupt after it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return command(sys.argv[1:], [sys.executable, "-m", "seqring"])


if __name__ == "__main__":
    sys.exit(main())
