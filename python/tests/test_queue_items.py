"""Items of a queue that are larger than a slot: each in a file of its own, until it is taken."""

import os
import queue
import signal
import subprocess
import sys

import pytest
import seqring
from conftest import spilled


@pytest.fixture
def small():
    with seqring.Queue(2, 64) as small:
        yield small


def test_a_large_item_takes_room_only_until_it_is_taken(small):
    large = bytes(1 << 20)
    small.put(large), small.put(b"x")
    with pytest.raises(queue.Full):
        small.put_nowait(large)
    assert len(spilled(small)) == 1, "what was not put leaves no file"
    assert small.get() == large and small.get() == b"x"
    assert spilled(small) == []
    small.task_done(), small.task_done()
    small.join()


def test_ctrl_c_at_any_line_of_a_put_parts_no_large_item_from_its_file(small):
    """A Ctrl-C comes before line 1, 2, 3 ... of the calls until one put ends without."""
    codes = {seqring.Queue.put.__code__, seqring.Queue._put_now.__code__, seqring._spill.write.__code__}
    large, was_put = bytes(4096), []

    def follow(frame, event, _argument):
        nonlocal lines
        if frame.f_code not in codes:
            return None
        if event == "line":
            lines -= 1
            if lines == 0:
                raise KeyboardInterrupt
        return follow

    for interrupted in range(1, 200):
        lines, earlier = interrupted, sys.gettrace()
        sys.settrace(follow)
        try:
            small.put(large)
            break
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(earlier)
        was_put.append(not small.empty())
        if was_put[-1]:
            assert small.get() == large, f"line {interrupted}"
    assert small.get() == large and lines > 0
    assert {True, False} == set(was_put), "interrupted before the item was in the queue, and after"


def test_ctrl_c_after_a_large_item_is_written_leaves_no_file(small, monkeypatch):
    write = seqring._spill.write

    def interrupted(*arguments):
        write(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(seqring._spill, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small.put(bytes(4096))
    assert spilled(small) == [] and small.empty()


def test_large_items_go_with_the_last_process_that_has_the_queue():
    some = seqring.Queue(4)
    some.put(bytes(1 << 20))
    with seqring.Queue.open(some.name):
        pass
    assert len(spilled(some)) == 1, "the queue is open here"
    directory, (item,) = os.path.dirname(some._ring.path), spilled(some)
    some.close()
    assert not os.path.exists(os.path.join(directory, item))


def test_large_items_stay_where_a_name_was_removed():
    with seqring.Queue(4) as some, seqring.Queue.open(some.name) as other:
        some.put(bytes(1 << 20))
        seqring.Ring.unlink(some.name)
        some.close()
        assert other.get() == bytes(1 << 20)


@pytest.mark.parametrize("how", ["", "import os; os._exit(0)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_large_item_outlives_the_process_that_put_it_and_not_the_queue(how):
    program = f"import seqring, sys\nseqring.Queue.open(sys.argv[1]).put(bytes(1 << 20))\n{how}"
    with seqring.Queue(4) as some:
        subprocess.run([sys.executable, "-c", program, some.name], timeout=120)
        assert some.get() == bytes(1 << 20)


@pytest.mark.parametrize("how", ["call", "--directory DIR", "--directory=DIR"])
def test_gc_removes_the_large_items_of_killed_processes(how, place):
    program = f"import os, seqring\nsome = seqring.Queue(4, directory={place!r})\nsome.put(bytes(1 << 20))\nos.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program], timeout=120)
    with seqring.Queue(4, directory=place) as other:
        other.put(bytes(1 << 20))
        assert len(os.listdir(place)) == 4
        if how == "call":
            seqring.gc(directory=place, remove=True)
        else:
            command = [sys.executable, "-m", "seqring", "gc", "--remove", *how.replace("DIR", place).split()]
            subprocess.run(command, check=True, timeout=120)
        assert len(os.listdir(place)) == 2
        assert other.get() == bytes(1 << 20)
