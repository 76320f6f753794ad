"""`seqring.compat.ringbuffer`: the contract, and the original's defects, none of which may hang."""

import contextlib
import ctypes
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy
import pytest
import process_targets
from conftest import START_METHODS, wait_until_asleep
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
    assert list(pickle.loads(pickle.dumps(array))) == [b"", b"short", b""]


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


# The defects.


def test_a_killed_blocked_reader_does_not_hang_the_next_write(context, ring):
    ring.new_writer()
    pointer, ready = ring.new_reader(), context.Event()
    process = context.Process(target=process_targets.compat_blocked_reader, args=(ring, pointer, ready))
    process.start()
    ready.wait()
    ring.blocking_write(b"x")
    # After its first read the process owns the pointer, which ends with it.
    while pointer.counter.value == 0 and process.is_alive():
        time.sleep(0.01)
    kill(process)
    for _ in range(10):
        ring.blocking_write(b"on", timeout=60)
    with pytest.raises(ringbuffer.PointerInUseError, match=str(process.pid)):
        ring.try_read(pointer)


def test_a_killed_writer_does_not_hang_its_readers(context, ring):
    ring.new_writer()
    pointer = ring.new_reader()
    process = context.Process(target=process_targets.compat_write_and_die, args=(ring, 3))
    process.start()
    process.join()
    assert [number(ring.blocking_read(pointer, timeout=60)) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ringbuffer.WriterDiedError) as caught:
        ring.blocking_read(pointer, timeout=60)
    assert caught.value.pid == process.pid
    assert ring.active.value == 0


def test_of_two_writers_one_may_die(context, ring):
    ring.new_writer()
    ring.new_writer()
    pointer = ring.new_reader()
    process = context.Process(target=process_targets.compat_write_and_die, args=(ring, 1))
    process.start()
    process.join()
    ring.try_write(b"living")
    assert len(ring.blocking_read(pointer, timeout=60)) == 8
    assert ring.blocking_read(pointer, timeout=60) == b"living"
    ring.writer_done()
    with pytest.raises(ringbuffer.WriterDiedError):
        ring.blocking_read(pointer, timeout=60)


@pytest.mark.parametrize("done", [0, 1])
def test_a_killed_process_is_as_many_writers_as_it_had_threads_that_wrote(context, ring, done):
    """Fails if a process has only one record: readers would wait for the other writer without
    end."""
    pointer, ready = ring.new_reader(), context.Event()
    for _ in range(3):
        ring.new_writer()
    process = context.Process(target=process_targets.compat_write_in_threads, args=(ring, 2, done, ready))
    process.start()
    ready.wait()
    kill(process)
    assert [number(ring.blocking_read(pointer, timeout=60)) for _ in range(2)] == [0, 1]
    ring.try_write(b"living!!")
    assert ring.blocking_read(pointer, timeout=60) == b"living!!"
    ring.active.remove_dead()
    assert ring.active.value == 1, "the living one"
    ring.writer_done()
    with pytest.raises(ringbuffer.WriterDiedError):
        ring.blocking_read(pointer, timeout=60)


def test_the_threads_of_a_pool_may_be_one_writer(context, ring):
    """Fails if every thread of an ended process is counted out as a separate writer."""
    ring.new_reader()
    for _ in range(2):
        ring.new_writer()
    process = context.Process(target=process_targets.compat_write_by_a_pool, args=(ring, 3))
    process.start()
    finish(process)
    ring.active.remove_dead()
    assert ring.active.value == 1
    ring.try_write(b"living")


@pytest.mark.parametrize("found_first", [True, False])
def test_writer_done_for_a_writer_that_ended_is_that_ones(context, ring, found_first):
    """Fails if a writer is counted out twice: by its death and by its parent."""
    pointer = ring.new_reader()
    for _ in range(2):
        ring.new_writer()
    process = context.Process(target=process_targets.compat_write_and_end, args=(ring, 1))
    process.start()
    finish(process)
    if found_first:
        ring.active.remove_dead()
        assert ring.active.value == 1
    ring.writer_done()
    ring.active.remove_dead()
    assert ring.active.value == 1
    ring.try_write(b"the other")
    ring.writer_done()
    assert ring.active.value == 0
    with pytest.raises(ringbuffer.AlreadyClosedError):
        ring.writer_done()
    assert [len(ring.blocking_read(pointer)) for _ in range(2)] == [8, 9]


def test_writer_done_of_one_that_never_wrote_is_its_own(context, ring):
    """Fails if `writer_done` is attributed to another, dead writer: readers would wait without
    end."""
    for _ in range(3):
        ring.new_writer()
    for target, arguments, left in [
        (process_targets.compat_write_and_end, (ring, 1), 2),
        (process_targets.compat_be_done, (ring,), 1),
    ]:
        process = context.Process(target=target, args=arguments)
        process.start()
        finish(process)
        ring.active.remove_dead()
        assert ring.active.value == left


def test_who_takes_up_a_record_is_not_taken_for_who_had_it(context, ring):
    """Fails if a free record keeps a start time: its next owner would look dead until it stores its
    own."""
    for _ in range(3):
        ring.new_writer()
    barrier = threading.Barrier(2)

    def write():
        ring.try_write(b"pool")
        barrier.wait()

    pool = [threading.Thread(target=write) for _ in range(2)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    ring.writer_done()  # Ends both threads, which were one writer.
    ring.try_write(b"another")  # Reuses the first of the two records.
    reached, go_on = context.Event(), context.Event()
    process = context.Process(target=process_targets.compat_enter_slowly, args=(ring, ring.active._at(1) + 1, reached, go_on))
    process.start()
    reached.wait()
    ring.active.remove_dead()
    active = ring.active.value
    go_on.set()
    finish(process)
    assert active == 2


def test_every_wait_has_a_timeout(ring):
    ring.new_writer()
    pointer = ring.new_reader()
    with pytest.raises(TimeoutError):
        ring.blocking_read(pointer, timeout=0.01)
    for _ in range(4):
        ring.try_write(b"x")
    with pytest.raises(ringbuffer.TimedOutError):
        ring.blocking_write(b"x", timeout=0.01)


def test_writer_done_twice_is_an_error(ring):
    ring.new_writer()
    pointer = ring.new_reader()
    ring.writer_done()
    with pytest.raises(ringbuffer.AlreadyClosedError):
        ring.writer_done()
    assert ring.active.value == 0
    with pytest.raises(ringbuffer.WriterFinishedError):
        ring.blocking_read(pointer)


def test_a_late_reader_in_another_process_is_refused(context, ring):
    ring.new_writer()
    results = context.SimpleQueue()
    for expected in ("made", "refused"):
        process = context.Process(target=process_targets.compat_new_reader, args=(ring, results))
        process.start()
        assert results.get() == expected
        finish(process)
        ring.try_write(b"x")


def test_one_pointer_in_two_threads_neither_doubles_nor_loses(ring):
    ring.new_writer()
    pointer, got = ring.new_reader(), [[], []]

    def read(into):
        with contextlib.suppress(ringbuffer.WriterFinishedError):
            while True:
                into.append(number(ring.blocking_read(pointer)))

    threads = [threading.Thread(target=read, args=(into,)) for into in got]
    for thread in threads:
        thread.start()
    for n in range(1000):
        ring.blocking_write(n.to_bytes(8, "little"), timeout=60)
    ring.writer_done()
    for thread in threads:
        thread.join()
    assert sorted(got[0] + got[1]) == list(range(1000))


def test_another_thread_that_waits_is_no_full_or_empty_ring(ring):
    """Fails if an endpoint in use by another thread is reported as a full or empty ring."""
    ring.new_writer()
    pointer, got = ring.new_reader(), []
    thread = threading.Thread(target=lambda: got.append(ring.blocking_read(pointer, timeout=60)))
    thread.start()
    wait_until_asleep(ring._ring, "reader")
    ring.try_write(b"1"), ring.try_write(b"2")
    got.append(ring.try_read(pointer))
    thread.join()
    assert sorted(got) == [b"1", b"2"]
    for _ in range(4):
        ring.try_write(b"x")
    thread = threading.Thread(target=ring.blocking_write, args=(b"y", 60))
    thread.start()
    wait_until_asleep(ring._ring, "writer")
    ring.try_read(pointer), ring.try_read(pointer)
    ring.try_write(b"y")
    thread.join()
    assert [ring.try_read(pointer) for _ in range(4)] == [b"x", b"x", b"y", b"y"]


def test_the_end_is_told_only_when_everything_is_read():
    """Fails if a reader in use by another thread, which copies a message, is reported as empty."""
    size, got, ends = 8 << 20, [], []
    with contextlib.closing(RingBuffer(slot_bytes=size, slot_count=4)) as ring:
        ring.new_writer()
        pointer = ring.new_reader()
        for n in range(4):
            ring.try_write(bytes([n]) * size)
        ring.writer_done()

        def read():
            with contextlib.suppress(ringbuffer.WriterFinishedError):
                while True:
                    got.append(ring.try_read(pointer)[0])
            ends.append(pointer.counter.value)

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got) == [0, 1, 2, 3] and ends == [4, 4, 4]


def test_one_pointer_in_two_processes_is_an_error(context, ring):
    ring.new_writer()
    pointer, results = ring.new_reader(), context.Queue()
    ring.try_write(b"12345678")
    ring.try_read(pointer)  # This process owns it now.
    process = context.Process(target=process_targets.compat_reader, args=(ring, pointer, results))
    process.start()
    error = results.get(timeout=60)
    assert isinstance(error, ringbuffer.PointerInUseError) and error.pid == os.getpid()
    finish(process)


def test_an_absent_reader_ends_with_its_maker(context):
    """An unread pointer holds back writers exactly while its maker lives."""
    with contextlib.closing(RingBuffer(slot_bytes=8, slot_count=2)) as ring:
        ring.new_writer()
        results = context.SimpleQueue()
        process = context.Process(target=process_targets.compat_new_reader, args=(ring, results))
        process.start()
        assert results.get() == "made"
        process.join()
        for _ in range(10):
            ring.blocking_write(b"on", timeout=60)


def test_overwriting_never_waits_and_counts_losses():
    with contextlib.closing(RingBuffer(slot_bytes=8, slot_count=4, overwrite=True)) as ring:
        ring.new_writer()
        pointer = ring.new_reader()
        for n in range(20):
            ring.try_write(bytes([n]))
        first = ring.try_read(pointer)[0]
        assert pointer.lost == first > 0


@pytest.mark.parametrize("bad", [{"slot_bytes": 8, "slot_count": 0}, {"slot_bytes": 0, "slot_count": 1}])
def test_rings_of_nothing_are_refused(bad):
    for make in (RingBuffer, ringbuffer.SlotArray):
        with pytest.raises(ValueError):
            make(**bad)


def test_payloads_are_aligned(ring):
    ring.new_writer()
    pointer = ring.new_reader()
    ring.try_write(bytes(64))
    assert ctypes.addressof(ctypes.c_char.from_buffer(ring.try_read(pointer))) % 8 == 0


def test_errors_have_messages(ring):
    ring.new_writer()
    pointer = ring.new_reader()
    with pytest.raises(ringbuffer.WaitingForWriterError, match="no message"):
        ring.try_read(pointer)


def test_large_slots_cost_no_memory_for_participants_that_never_come(context):
    with contextlib.closing(RingBuffer(slot_bytes=100 << 20, slot_count=1)) as ring:
        assert os.stat(ring._ring.path).st_blocks * 512 < 150 << 20
        # A child, which inherits all mappings, does not use it either.
        ring.new_writer()
        pointer, results = ring.new_reader(), context.Queue()
        process = context.Process(target=process_targets.compat_reader, args=(ring, pointer, results))
        process.start()
        ring.try_write(b"12345678")
        ring.writer_done()
        assert results.get(timeout=60) == [number(b"12345678")]
        finish(process)


# A whole program.


@pytest.mark.parametrize("method", START_METHODS)
def test_a_program_for_ringbuffer_runs_with_its_import_changed(method, tmp_path):
    original = (Path(__file__).parent / "ringbuffer_program.py").read_text()
    assert original.count("import ringbuffer\n") == 1
    program = tmp_path / "program.py"
    program.write_text(original.replace("import ringbuffer\n", "from seqring.compat import ringbuffer\n"))
    done = subprocess.run([sys.executable, program, method], capture_output=True, text=True, timeout=120)
    ended = ["DataTooLargeError"] * 2 + ["WriterFinishedError"] * 3
    assert (done.stdout, done.stderr, done.returncode) == (f"{ended} [0, 0, 0] 0\n", "", 0)


def test_closing_twice_is_closing_once(ring):
    ring.new_writer()
    pointer = ring.new_reader()
    ring.try_write(b"x")
    ring.try_read(pointer)
    for close in (pointer.close, ring.close) * 2:
        close()
