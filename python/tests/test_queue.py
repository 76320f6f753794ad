"""`Queue`: the methods of `queue.Queue`."""

import _thread
import asyncio
import os
import pickle
import queue
import signal
import sys
import threading

import numpy
import pytest
import seqring
import process_targets
from conftest import spilled, wait_until_asleep


@pytest.fixture
def small():
    with seqring.Queue(2, 64) as small:
        yield small


def test_it_raises_what_the_standard_librarys_raises(small):
    with pytest.raises(queue.Empty):
        small.get_nowait()
    with pytest.raises(queue.Empty):
        small.get(timeout=0.01)
    small.put(b"1")
    small.put_nowait(b"2")
    with pytest.raises(queue.Full):
        small.put_nowait(b"3")
    with pytest.raises(queue.Full):
        small.put(b"3", timeout=0.01)
    for call in (lambda: small.put(b"3", timeout=-1), lambda: small.get(timeout=-1)):
        with pytest.raises(ValueError, match="non-negative"):
            call()
    assert (small.qsize(), small.full(), small.empty(), small.maxsize) == (2, True, False, 2)
    assert [small.get(), small.get()] == [b"1", b"2"]
    assert small.empty()
    # As in `queue.Queue`: without blocking, the timeout is ignored.
    with pytest.raises(queue.Empty):
        small.get(False, -1)


def test_bytes_are_not_unpickled():
    with pytest.raises(ValueError, match="items"):
        seqring.Queue(2, 64, items="anything")
    with seqring.Queue(2, 256) as objects:
        objects.put({"a": [1, 2]})
        with seqring.Queue.open(objects.name, items="bytes") as plain:
            assert pickle.loads(plain.get()) == {"a": [1, 2]}
        objects.put((None, 3.5))
        assert objects.get() == (None, 3.5)


def test_a_blocked_get_gets_what_another_thread_puts(small):
    thread = threading.Timer(0.05, small.put, [b"late"])
    thread.start()
    assert small.get(timeout=60) == b"late"
    thread.join()


def test_it_is_not_empty_or_full_because_another_thread_waits(small):
    """Fails if an endpoint in use by another thread is reported as an empty or full queue."""
    got = []
    thread = threading.Thread(target=lambda: got.append(small.get(timeout=60)))
    thread.start()
    wait_until_asleep(small._ring, "taker")
    small.put(b"1"), small.put(b"2")
    got.append(small.get_nowait())
    thread.join()
    assert sorted(got) == [b"1", b"2"]
    small.put(b"3"), small.put(b"4")
    thread = threading.Thread(target=small.put, args=(b"5",), kwargs={"timeout": 60})
    thread.start()
    wait_until_asleep(small._ring, "writer")
    assert [small.get(), small.get()] == [b"3", b"4"]
    small.put_nowait(b"6")
    thread.join()
    assert sorted([small.get_nowait(), small.get_nowait()]) == [b"5", b"6"]


def test_without_blocking_it_does_not_wait_for_a_thread_that_does(small):
    stop = threading.Thread(target=small.get)
    stop.start()
    wait_until_asleep(small._ring, "taker")
    for _ in range(3):
        with pytest.raises(queue.Empty):
            small.get_nowait()
    assert stop.is_alive()
    small.put(b"x")
    stop.join()


def test_threads_that_use_it_first_at_the_same_time_join_once():
    """Fails if both threads register: there is no room for the second."""
    for _ in range(20):
        with seqring.Queue(2, 64, processes=1) as small:
            barrier, sizes = threading.Barrier(4), []

            def look():
                barrier.wait()
                sizes.append(small.qsize())

            threads = [threading.Thread(target=look) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sizes == [0] * 4


def test_processes_share_it(context, small):
    results = context.SimpleQueue()
    getter = context.Process(target=process_targets.get_items, args=(small, 200, results))
    putters = [context.Process(target=process_targets.put_items, args=(small, first, 100)) for first in (0, 100)]
    for process in [getter, *putters]:
        process.start()
    assert sorted(results.get()) == list(range(200))
    for process in [getter, *putters]:
        process.join(60)
        assert process.exitcode == 0


def test_an_empty_queue_waits_for_processes_still_to_come(small):
    """Unlike a stream, a queue does not end with the last process that puts."""
    with seqring.Queue.open(small.name) as other:
        other.put(b"x")
    assert small.get() == b"x"
    with pytest.raises(queue.Empty):
        small.get(timeout=0.01)


def test_shutdown_lets_what_is_there_be_taken(small):
    small.put(b"last")
    small.shutdown()
    assert small.get() == b"last"
    for call in (small.get, lambda: small.put(b"x")):
        with pytest.raises(seqring.Closed):
            call()


@pytest.fixture(params=["its maker", "opened", "standard library"])
def joinable(request):
    """These tests pass for `queue.Queue` and for this class."""
    if request.param == "standard library":
        yield queue.Queue(3)
        return
    with seqring.Queue(3, 64) as one, pickle.loads(pickle.dumps(one)) as other:
        yield one if request.param == "its maker" else other


def test_join_waits_for_every_task(joinable):
    joinable.join()
    for _ in range(3):
        joinable.put(b"task")
    done = []

    def work():
        for _ in range(3):
            joinable.get()
            done.append(len(done))
            joinable.task_done()

    thread = threading.Timer(0.05, work)
    thread.start()
    joinable.join()
    assert done == [0, 1, 2]
    thread.join()
    with pytest.raises(ValueError, match="too many times"):
        joinable.task_done()


def test_what_was_not_put_is_no_task(joinable):
    for _ in range(3):
        joinable.put(b"task")
    with pytest.raises(queue.Full):
        joinable.put_nowait(b"one too many")
    for _ in range(3):
        joinable.get()
        joinable.task_done()
    joinable.join()


def test_ctrl_c_right_after_a_put_leaves_the_item_a_task(small):
    """Fails if the item is in the queue but not counted: `task_done` would raise for it."""

    def interrupt(frame, event, function):
        if event == "c_return" and small.qsize():
            raise KeyboardInterrupt

    assert small.empty()  # Registered now, so that the interrupt does not hit the registration.
    with pytest.raises(KeyboardInterrupt):
        sys.setprofile(interrupt)
        try:
            small.put(b"task")
        finally:
            sys.setprofile(None)
    assert small.get_nowait() == b"task"
    small.task_done()
    small.join()


def test_ctrl_c_before_a_put_leaves_no_task(small):
    small.put(b"1"), small.put(b"2")

    thread = threading.Thread(target=lambda: (wait_until_asleep(small._ring, "writer"), _thread.interrupt_main()))
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        small.put(b"3", timeout=60)
    thread.join()
    for _ in range(2):
        small.get(), small.task_done()
    small.join()


def test_who_is_killed_while_it_waits_for_room_leaves_no_task(context, small):
    """Fails if the item was counted before the wait: `join` would wait for it without end."""
    small.put(b"1"), small.put(b"2")
    process = context.Process(target=process_targets.put_items, args=(small, 0, 1))
    process.start()
    wait_until_asleep(small._ring, "writer")
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    for _ in range(2):
        small.get(), small.task_done()
    small.join(timeout=60)
    with pytest.raises(ValueError, match="too many times"):
        small.task_done()


def test_a_put_waits_for_room_as_long_as_it_may(small):
    small.put(b"1", timeout=0), small.put(b"2", timeout=0)
    with pytest.raises(queue.Full):
        small.put(b"3", timeout=0)
    thread = threading.Thread(target=small.put, args=(b"3",), kwargs={"timeout": 60})
    thread.start()
    wait_until_asleep(small._ring, "writer")
    assert [small.get(timeout=60) for _ in range(3)] == [b"1", b"2", b"3"]
    thread.join()
    for _ in range(3):
        small.task_done()
    small.join(timeout=60)


def test_join_waits_for_tasks_of_other_processes(context, small):
    small.put(b"a task"), small.put(b"another")
    process = context.Process(target=process_targets.do_tasks, args=(small, 2))
    process.start()
    small.join()
    assert small.empty()
    process.join(60)
    assert process.exitcode == 0
    small.put(b"undone")
    with pytest.raises(seqring.TimedOut, match="1 tasks"):
        small.join(timeout=0.01)


def test_a_ring_without_a_count_of_tasks_says_so():
    with seqring.Ring.create(2, 64, delivery="queue") as ring, seqring.Queue.open(ring.name) as bare:
        bare.put(b"x")
        assert bare.get() == b"x"
        with pytest.raises(seqring.Error, match="counts no tasks"):
            bare.task_done()


def test_without_arguments_it_takes_any_objects(context):
    """As `multiprocessing.Queue()`: nothing is said of sizes or kinds."""
    things = [{"a": [1, 2]}, None, "text", b"bytes", 3.5, numpy.arange(6).reshape(2, 3), bytes(5_000_000)]
    with seqring.Queue() as some:
        process = context.Process(target=process_targets.put_objects, args=(some, things))
        process.start()
        got = [some.get(timeout=60) for _ in things]
        process.join(60)
        assert process.exitcode == 0
        assert got[:5] == things[:5] and (got[5] == things[5]).all() and got[6] == things[6]
        assert spilled(some) == []


def test_items_of_bytes_have_the_size_that_was_said():
    with seqring.Queue(2, 64, items="bytes") as plain:
        plain.put(bytes(64))
        with pytest.raises(seqring.TooLarge, match="^an item of 65 bytes .* item_bytes=64"):
            plain.put(bytes(65))
        assert type(plain.get()) is bytearray
        plain.task_done()
        plain.join(timeout=60)


@pytest.mark.parametrize("maxsize", [0, -1])
def test_a_queue_without_a_size_has_room_for_many(maxsize):
    with seqring.Queue(maxsize) as many:
        for n in range(many.maxsize):
            many.put_nowait(n)
        with pytest.raises(queue.Full):
            many.put_nowait("one more")
        assert [many.get() for _ in range(many.maxsize)] == list(range(4096))


def test_shutdown_raises_what_the_standard_library_raises(small):
    small.put(1), small.put(2)
    waiting = threading.Thread(target=pytest.raises, args=(seqring.ShutDown, small.put, 3))
    waiting.start()
    wait_until_asleep(small._ring, "writer")
    small.shutdown()
    waiting.join()
    with seqring.Queue.open(small.name) as late:
        assert late.get() == 1, "a process that comes later takes what is left"
        for call in (lambda: late.put(3), lambda: small.put(3)):
            with pytest.raises(getattr(queue, "ShutDown", seqring.ShutDown)):
                call()
    assert small.get() == 2
    with pytest.raises(seqring.ShutDown):
        small.get(timeout=60)


def test_an_immediate_shutdown_drops_what_is_there(small):
    small.put(1), small.put(bytes(1 << 20))
    small.shutdown(immediate=True)
    small.join(timeout=60)
    assert spilled(small) == []
    with pytest.raises(seqring.ShutDown):
        small.get_nowait()


def test_an_immediate_shutdown_drops_items_that_do_not_unpickle(small):
    """Their errors are not those of the queue: the items behind them are dropped too."""
    for error in (seqring.Empty, seqring.ShutDown, ValueError):
        small.put(process_targets.FailsToUnpickle(error)), small.put(bytes(4096))
        if error is not ValueError:
            with pytest.raises(error, match="unpickled"):
                small.get()
            small.task_done(), small.get(), small.task_done()
    small.shutdown(immediate=True)
    assert small.empty() and spilled(small) == []
    small.join(timeout=0)


def test_an_item_that_fails_to_unpickle_ends_an_async_get(small):
    """Fails if its `Empty` is taken for that of the queue: the get would wait on."""
    small.put(process_targets.FailsToUnpickle(seqring.Empty))
    with pytest.raises(seqring.Empty, match="unpickled"):
        asyncio.run(asyncio.wait_for(small.aget(), 60))


def test_a_ring_that_is_no_queue_refuses_and_its_stream_goes_on():
    with seqring.Ring.create(4, 512) as ring, ring.reader() as reader, seqring.Queue.open(ring.name) as other:
        for call in (lambda: other.put(1), other.get):
            with pytest.raises(seqring.RegisterError, match="delivery is Gated"):
                call()
        assert reader.try_read() is None, "the stream has not ended"
        assert ring.stats().of("writer") == []


def test_it_ends_as_a_queue_of_multiprocessing_does(small):
    small.put("x")
    small.cancel_join_thread()
    small.close()
    small.join_thread()
    for call in (small.get, lambda: small.put("y")):
        with pytest.raises(ValueError, match="closed"):
            call()
