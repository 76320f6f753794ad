"""Shared by all tests: start methods, and a check that no segment or descriptor is left behind."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# A background job of a shell ignores SIGINT, and so do its children: restore the handler.
signal.signal(signal.SIGINT, signal.default_int_handler)

START_METHODS = ["fork", "spawn", "forkserver"]


@pytest.fixture(params=START_METHODS)
def context(request):
    """Each start method."""
    return multiprocessing.get_context(request.param)


def segments_of(pid):
    return sorted(path.name for path in Path("/dev/shm").glob(f"py-{pid}-*"))


def names(*prefixes):
    return sorted(name for name in os.listdir("/dev/shm") if name.startswith(prefixes))


def spilled(some):
    """The files of the large items of a queue."""
    directory, name = os.path.split(some._ring.path)
    return [item for item in os.listdir(directory) if item.startswith(f".{name}-")]


def run(program, *arguments, code=0):
    """Runs a program, which prints its name of a ring or its pid. Returns what it printed."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    assert code or done.stderr == ""
    return done.stdout


def descriptors():
    targets = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
        if ".seqring" in target:
            targets.append(target)
    return sorted(targets)


def wait_until_asleep(ring, role):
    """Waits until a participant of that role sleeps or has slept."""
    while not any(one.sleeps for one in ring.stats().of(role)):
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def nothing_is_left():
    """A test leaves neither segments nor descriptors: they go with the last object."""
    yield
    # A failed test's traceback keeps its objects.
    sys.last_value = sys.last_traceback = None
    gc.collect()
    left = segments_of(os.getpid()), descriptors()
    if left != ([], []):
        import seqring._lifetime

        seqring._lifetime._close_all()
        pytest.fail(f"left behind: {left}")


@pytest.fixture
def place():
    """A directory on tmpfs."""
    path = f"/dev/shm/py-test-{os.getpid()}"
    os.mkdir(path)
    yield path
    assert os.listdir(path) == []
    os.rmdir(path)
