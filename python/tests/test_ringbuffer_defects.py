"""`seqring.compat.ringbuffer`: the original's defects, none of which may hang."""

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import process_targets
import pytest
from conftest import START_METHODS, wait_until_asleep
from seqring.compat import ringbuffer
from seqring.compat.ringbuffer import RingBuffer
from test_ringbuffer import finish, kill, number, ring  # noqa: F401


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


def test_a_new_owner_of_a_record_is_not_mistaken_for_the_old_one(context, ring):
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


def test_the_end_is_reported_only_when_everything_is_read():
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
