"""`seqring.compat.ringbuffer`: the contract, and the readers/writer lock."""

import contextlib
import ctypes
import os
import pickle
import signal
import threading
import time

import numpy
import pytest
import process_targets
from seqring.compat import ringbuffer
from seqring.compat.ringbuffer import RingBuffer


@pytest.fixture
def ring():
    with contextlib.closing(RingBuffer(slot_bytes=64, slot_count=4)) as ring:
        yield ring


def number(data):
    return int.from_bytes(data, "little")


def finish(*processes):
    for process in processes:
        process.join(60)
        assert process.exitcode == 0, process


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.join()


# The contract.


def test_positions():
    position = ringbuffer.Position(3)
    assert (position.counter, position.index, position.generation) == (0, 0, 0)
    position.counter = 8
    assert (position.index, position.generation) == (2, 2)


def test_pointers_are_shared(context):
    pointer = ringbuffer.Pointer(3, start=5)
    assert (pointer.counter.value, pointer.position.index) == (5, 2)
    pointer.set(7)
    process = context.Process(target=process_targets.compat_increment, args=(pointer, 10))
    process.start()
    finish(process)
    assert pointer.get().counter == 17


def test_slots():
    array = ringbuffer.SlotArray(slot_bytes=20, slot_count=3)
    assert len(array) == 3 and list(array) == [b"", b"", b""]
    array[1] = numpy.arange(5, dtype="i4")
    assert numpy.frombuffer(array[1], "i4").tolist() == [0, 1, 2, 3, 4]
    array[1] = b"short"
    assert array[1] == b"short"
    with pytest.raises(IndexError):
        array[3]
    with pytest.raises(ringbuffer.DataTooLargeError):
        array[0] = bytes(21)
    date = numpy.array(["2020-01-01"], "M8[s]")
    array[2] = date
    assert array[2] == date.tobytes()
    assert list(pickle.loads(pickle.dumps(array))) == [b"", b"short", date.tobytes()]


def test_reading_before_any_writer_is_finished_at_once(ring):
    pointer = ring.new_reader()
    for read in (ring.try_read, ring.blocking_read):
        with pytest.raises(ringbuffer.WriterFinishedError):
            read(pointer)


def test_writing_without_a_writer_is_closed(ring):
    with pytest.raises(ringbuffer.AlreadyClosedError):
        ring.try_write(b"x")
    ring.new_writer()
    ring.try_write(b"x")
    ring.writer_done()
    with pytest.raises(ringbuffer.AlreadyClosedError):
        ring.try_write(b"x")


def test_full_empty_drained_finished(ring):
    ring.new_writer()
    pointer = ring.new_reader()
    with pytest.raises(ringbuffer.WaitingForWriterError):
        ring.try_read(pointer)
    for n in range(4):
        ring.try_write(bytes([n]))
    with pytest.raises(ringbuffer.WaitingForReaderError):
        ring.try_write(b"x")
    assert ring.writer.get().counter - pointer.counter.value == 4
    assert [ring.try_read(pointer), ring.blocking_read(pointer)] == [b"\0", b"\1"]
    ring.writer_done()
    assert [ring.try_read(pointer), ring.blocking_read(pointer)] == [b"\2", b"\3"]
    assert pointer.get().counter == 4 and ring.active.value == 0
    with pytest.raises(ringbuffer.WriterFinishedError):
        ring.try_read(pointer)


def test_what_comes_out_is_a_bytearray_of_the_written_length(ring):
    class Point(ctypes.Structure):
        _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_double)]

    ring.new_writer()
    pointer = ring.new_reader()
    ring.try_write(Point(2, 3.5))
    data = ring.try_read(pointer)
    assert type(data) is bytearray and len(data) == ctypes.sizeof(Point)
    assert Point.from_buffer(data).y == 3.5
    ring.try_write(numpy.array([[1, 2]], "f4"))
    array = numpy.frombuffer(ring.try_read(pointer), "f4")
    array[0] = 5  # It can be written to.
    with pytest.raises(TypeError):
        ring.try_write("text")
    with pytest.raises(ringbuffer.DataTooLargeError) as caught:
        ring.try_write(bytes(65))
    assert isinstance(caught.value, ValueError)


def test_readers_come_before_the_first_write(ring):
    ring.new_writer()
    ring.try_write(b"x")
    with pytest.raises(ringbuffer.MustCreatedReadersBeforeWritingError):
        ring.new_reader()


def test_without_readers_writes_never_wait(ring):
    ring.new_writer()
    for _ in range(20):
        ring.try_write(b"x")
    assert ring.writer.get().counter == 20


def test_force_reader_sync_moves_all_readers_to_the_writer(ring):
    ring.new_writer()
    read, unread = ring.new_reader(), ring.new_reader()
    for n in range(3):
        ring.try_write(bytes([n]))
    ring.try_read(read)
    ring.force_reader_sync()
    assert read.counter.value == unread.counter.value == 3
    ring.try_write(b"new")
    assert ring.try_read(read) == ring.try_read(unread) == b"new"
    assert (read.lost, unread.lost) == (2, 3)


def test_the_array_shows_what_is_still_waited_for(ring):
    ring.new_writer()
    ring.new_reader()
    ring.try_write(b"zero")
    ring.try_write(b"one")
    assert list(ring.array) == [b"zero", b"one", b"", b""]


def test_writers_and_readers_in_processes(context, ring):
    results = context.Queue()
    pointers = [ring.new_reader() for _ in range(2)]
    for _ in range(2):
        ring.new_writer()
    processes = [context.Process(target=process_targets.compat_reader, args=(ring, p, results)) for p in pointers]
    processes += [context.Process(target=process_targets.compat_writer, args=(ring, first, 300)) for first in (0, 1000)]
    for process in processes:
        process.start()
    one, other = results.get(timeout=60), results.get(timeout=60)
    assert one == other, "one order for all"
    assert [n for n in one if n < 1000] == list(range(300))
    assert [n for n in one if n >= 1000] == list(range(1000, 1300))
    finish(*processes)
    assert ring.active.value == 0
    assert [p.counter.value for p in pointers] == [600, 600], "also when their processes are gone"


def test_writers_and_readers_in_threads(ring):
    pointer = ring.new_reader()
    ring.new_writer()
    thread = threading.Thread(target=process_targets.compat_writer, args=(ring, 0, 500))
    thread.start()
    got = []
    with contextlib.suppress(ringbuffer.WriterFinishedError):
        while True:
            got.append(number(ring.blocking_read(pointer)))
    thread.join()
    assert got == list(range(500))


def test_a_blocked_reader_wakes_on_the_last_writer_done(ring):
    ring.new_writer()
    pointer = ring.new_reader()
    timer = threading.Timer(0.05, ring.writer_done)
    timer.start()
    with pytest.raises(ringbuffer.WriterFinishedError):
        ring.blocking_read(pointer, timeout=60)
    timer.join()


def test_exceptions_pickle(context):
    for error in (ringbuffer.WaitingForReaderError("full"), ringbuffer.WriterDiedError(7)):
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error) and str(copy) == str(error)


# The lock.


def test_the_lock_is_shared_and_released_on_exceptions(context):
    lock = ringbuffer.ReadersWriterLock()
    with lock.for_read(), lock.for_read():
        assert (lock.readers.value, lock.writer.value) == (2, 0)
    with pytest.raises(ZeroDivisionError), lock.for_write():
        assert (lock.readers.value, lock.writer.value) == (0, 1)
        1 / 0
    assert (lock.readers.value, lock.writer.value) == (0, 0)
    with pytest.raises(ringbuffer.InternalLockingError):
        lock.wait_for_write()
    ready, results = context.Event(), context.SimpleQueue()
    process = context.Process(target=process_targets.compat_wait_for_write, args=(lock, ready, results))
    process.start()
    ready.wait()
    with lock.for_write():
        pass
    # It may have started to wait only after that write.
    while process.is_alive() and results.empty():
        with lock.for_write():
            pass
        time.sleep(0.01)
    assert results.get() == "written"
    finish(process)


@pytest.mark.parametrize("for_write", [True, False])
def test_a_killed_holder_lets_go_of_the_lock(context, for_write):
    lock, ready = ringbuffer.ReadersWriterLock(), context.Event()
    process = context.Process(target=process_targets.compat_hold_lock, args=(lock, ready, for_write))
    process.start()
    ready.wait()
    assert (lock.writer.value, lock.readers.value) == ((1, 0) if for_write else (0, 1))
    kill(process)
    with lock.for_write():
        pass
    assert (lock.writer.value, lock.readers.value) == (0, 0)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("for_write", [True, False])
def test_a_process_killed_while_it_takes_the_lock_takes_nothing_from_others(context, for_write, after):
    """Fails if a dead process's intent is released although it was not committed: a live reader
    would lose its hold."""
    lock = ringbuffer.ReadersWriterLock()
    with lock.for_read() if not for_write else contextlib.nullcontext():
        process = context.Process(target=process_targets.compat_die_in_lock, args=(lock, lock._base, after, for_write))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        lock._release_dead()
        assert (lock.readers.value, lock.writer.value) == (0 if for_write else 1, 0)
    for _ in range(2):
        with lock.for_write():
            assert (lock.readers.value, lock.writer.value) == (0, 1)
        with lock.for_read():
            assert (lock.readers.value, lock.writer.value) == (1, 0)
    assert (lock.readers.value, lock.writer.value) == (0, 0)


def test_a_forks_child_leaves_what_its_parent_holds():
    lock = ringbuffer.ReadersWriterLock()
    with lock.for_read():
        child = os.fork()
        if child:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            assert lock.readers.value == 1
    if not child:
        os._exit(7)
    assert lock.readers.value == 0


def test_the_lock_excludes_threads_and_processes(context):
    """Processes increment a counter under the write lock; two writers at once would lose counts."""
    lock, count = ringbuffer.ReadersWriterLock(), ringbuffer.Pointer(2)
    processes = [context.Process(target=process_targets.compat_count, args=(lock, count, 100)) for _ in range(2)]
    threads = [threading.Thread(target=process_targets.compat_count, args=(lock, count, 100)) for _ in range(2)]
    for one in processes + threads:
        one.start()
    for thread in threads:
        thread.join()
    finish(*processes)
    assert count.counter.value == 400
    assert (lock.readers.value, lock.writer.value) == (0, 0)
