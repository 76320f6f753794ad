"""Readers and writers that start in either order."""

import os
import subprocess
import sys
import threading
import time
import warnings

import pytest
import seqring


def test_readers_and_writers_start_in_any_order():
    """Fails if messages that come before the first readers are lost, or if a ring cannot be awaited."""
    name = f"order-{os.getpid()}"
    with pytest.raises(seqring.RingNotFound, match="does not exist, also after "):
        seqring.Ring.open(name, timeout=0.01)
    opened = []
    opening = threading.Thread(target=lambda: opened.append(seqring.Ring.open(name, timeout=60)))
    opening.start()
    with seqring.Ring.create(2, 8, name=name, await_readers=2) as ring, ring.writer() as writer:
        opening.join()
        assert [writer.try_write(b"0"), writer.try_write(b"1"), writer.try_write(b"2")] == [0, 1, None]
        with pytest.raises(seqring.TimedOut, match="the ring awaits 2 more readers"):
            writer.write(b"2", timeout=0.01)
        assert ring.stats().awaited_readers == 2
        first = opened[0].reader()
        assert writer.wait_for_readers(1, timeout=60) and not writer.wait_for_readers(2, timeout=0.01)
        assert first.read_batch(10) == [b"0", b"1"]
        with pytest.raises(seqring.TimedOut, match="the ring awaits 1 more reader$"):
            writer.write(b"2", timeout=0.01)
        second = ring.reader()
        assert second.read_batch(10) == [b"0", b"1"]
        assert writer.try_write(b"2") == 2 and ring.stats().awaited_readers == 0
        first.close(), second.close(), opened[0].close()
    with seqring.Ring.create(2, 8, delivery="queue") as queue, queue.writer() as writer, queue.taker():
        assert writer.wait_for_readers(1, timeout=60) and not writer.wait_for_readers(2, timeout=0.01)


def test_open_with_a_timeout_awaits_another_user_of_what_killed_processes_left():
    """Fails if a viewer that starts first opens what an earlier crash left."""
    name = f"left-{os.getpid()}"
    program = f"import os, seqring\nring = seqring.Ring.create(2, 8, name={name!r})\nos.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program], timeout=120)
    opened = []
    opening = threading.Thread(target=lambda: opened.append(seqring.Ring.open(name, timeout=None)))
    opening.start()
    with seqring.Ring.create(4, 8, name=name, replace_unused=True):
        opening.join()
        assert opened[0].slots == 4
        opened[0].close()
    subprocess.run([sys.executable, "-c", program], timeout=120)
    begun = time.monotonic()
    with seqring.Ring.open(name, timeout=0.05) as left:
        assert time.monotonic() - begun >= 0.05 and left.slots == 2


@pytest.mark.parametrize("last", ["ring", "writer"])
def test_a_ring_that_goes_before_its_awaited_reader_warns(last):
    """Fails if the messages go without a word, or if there is a warning while they may still be read."""
    ring = seqring.Ring.create(4, 8, await_readers=1)
    writer = ring.writer()
    writer.write(b"one"), writer.write(b"two")
    one, other = (writer, ring) if last == "ring" else (ring, writer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one.close()
    with pytest.warns(ResourceWarning, match="gone with 2 unread messages, and still awaited 1 readers"):
        other.close()


def test_a_ring_that_goes_after_its_readers_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with seqring.Ring.create(4, 8) as ring, ring.writer() as writer:
            writer.write(b"read")
            with ring.reader() as reader:
                assert reader.read() == b"read"
        with seqring.Ring.create(4, 8), seqring.Ring.create(4, 8, await_readers=0) as ring, ring.writer() as writer:
            writer.write(b"unread")
