"""What scripts/wheel-test runs in a tree without a compiler."""

import importlib.metadata
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys

import seqring

MESSAGES = 1000


def write(ring: seqring.Ring) -> None:
    with ring.writer() as writer:
        for n in range(MESSAGES):
            writer.write(n.to_bytes(8, "little"))
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    compilers = ["cc", "gcc", "clang", "rustc", "cargo", "ld", "sh"]
    assert not any(map(shutil.which, compilers)), "the tree has a compiler"
    with seqring.Ring.create(64, 8, name=f"wheel-test-{os.getpid()}") as ring, ring.reader() as reader:
        writer = multiprocessing.get_context("spawn").Process(target=write, args=(ring,))
        writer.start()
        for n in range(MESSAGES):
            assert int.from_bytes(reader.read(timeout=60), "little") == n
        try:
            reader.read(timeout=60)
            raise AssertionError("no report of the death")
        except seqring.PeerDied:
            pass
        listed = subprocess.run([sys.executable, "-m", "seqring", "ls"], capture_output=True, text=True, timeout=60)
        assert ring.name in listed.stdout, listed
    files = {file.name for file in importlib.metadata.files("seqring") or []}
    assert {"LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY.txt"} <= files
    print(f"seqring {seqring.__version__}, Python {sys.version.split()[0]}, no compiler: {MESSAGES} messages, a death, the command")


if __name__ == "__main__":
    main()
