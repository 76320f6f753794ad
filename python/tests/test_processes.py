"""Processes: fork, spawn, forkserver; killed, forked, interrupted."""

import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
import time

import numpy
import pytest
import seqring
import process_targets


@pytest.fixture
def ring():
    with seqring.Ring.create(16, 64) as ring:
        yield ring


def finish(*processes):
    for process in processes:
        process.join(60)
        assert process.exitcode == 0, process


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_every_reader_process_gets_every_message(context, ring):
    results = context.SimpleQueue()
    readers = [context.Process(target=process_targets.sum_numbers, args=(ring, results)) for _ in range(2)]
    for process in readers:
        process.start()
    while len(ring.stats().of("reader")) < 2:
        time.sleep(0.01)
    writer = context.Process(target=process_targets.write_numbers, args=(ring, 2000))
    writer.start()
    assert [results.get() for _ in readers] == [sum(range(2000))] * 2
    finish(writer, *readers)


def test_frames_go_between_processes_in_place(context):
    with seqring.Ring.create(4, shape=(32, 48, 3), dtype="uint8") as ring, ring.reader() as reader:
        process = context.Process(target=process_targets.send_frames, args=(ring, 50))
        process.start()
        for n in range(50):
            with reader.view(timeout=60) as view:
                array = numpy.asarray(view)
                assert view.in_place and array.shape == (32, 48, 3) and (array == n).all()
                del array
        finish(process)


def test_each_message_of_a_queue_goes_to_one_process(context):
    with seqring.Ring.create(8, 64, delivery="queue") as ring:
        results = context.SimpleQueue()
        takers = [context.Process(target=process_targets.take_all, args=(ring, results)) for _ in range(2)]
        with ring.writer() as writer:
            for process in takers:
                process.start()
            for n in range(1000):
                writer.write(n.to_bytes(8, "little"), timeout=60)
        assert sorted(results.get() + results.get()) == list(range(1000))
        finish(*takers)


def test_a_killed_reader_blocks_no_other(context, ring):
    ready = context.Event()
    process = context.Process(target=process_targets.block_in_read, args=(ring, ready))
    process.start()
    ready.wait()
    kill(process)
    with ring.writer() as writer:
        for n in range(100):
            writer.write(b"on", timeout=60)
    assert ring.stats().of("reader") == []


def test_a_killed_reader_with_an_array_blocks_no_other(context):
    with seqring.Ring.create(2, 4096) as ring, ring.writer() as writer:
        writer.write(b"x")
        ready = context.Event()
        process = context.Process(target=process_targets.hold_view, args=(ring, ready))
        process.start()
        ready.wait()
        kill(process)
        for n in range(10):
            writer.write(b"on", timeout=60)


def test_a_killed_writer_ends_the_stream_and_another_goes_on(context, ring):
    ready = context.Event()
    with ring.reader() as reader:
        process = context.Process(target=process_targets.hang_with, args=(ring.writer, ready))
        process.start()
        ready.wait()
        with pytest.raises(seqring.WriterTaken) as caught:
            ring.writer()
        assert caught.value.pid == process.pid
        kill(process)
        with pytest.raises(seqring.Error) as ended:
            reader.read(timeout=60)
        assert not isinstance(ended.value, seqring.TimedOut)
        with ring.writer() as writer:
            writer.write(b"again")
        assert reader.read(timeout=60) == b"again"


def test_what_a_forked_child_inherits_is_not_its_own():
    context = multiprocessing.get_context("fork")
    with seqring.Ring.create(4, 64) as ring, ring.reader() as reader, ring.writer() as writer:
        results = context.SimpleQueue()
        process = context.Process(target=process_targets.use_inherited, args=(reader, results))
        process.start()
        assert "forked" in results.get()
        finish(process)
        writer.write(b"the parent's")
        assert reader.read(timeout=60) == b"the parent's"


def test_a_fork_with_a_view_leaves_the_parents_reader_alone():
    with seqring.Ring.create(2, 4096) as ring, ring.reader() as reader, ring.writer() as writer:
        writer.write(b"first")
        view = reader.view()
        pid = os.fork()
        if pid == 0:
            del view, reader, writer  # Either would move the parent's reader or end its stream.
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert view.tobytes() == b"first"
        view.release()
        writer.write(b"second")
        assert reader.read(timeout=60) == b"second"


def test_a_child_does_not_keep_its_dead_parent_alive():
    program = """
import os, seqring, sys, time
ring = seqring.Ring.open(sys.argv[1])
reader = ring.reader()
if os.fork() == 0:
    os.close(1)
    time.sleep(3600)
print("ready", flush=True)
time.sleep(3600)
"""
    with seqring.Ring.create(2, 64) as ring:
        with subprocess.Popen([sys.executable, "-c", program, ring.name], stdout=subprocess.PIPE) as parent:
            assert parent.stdout.readline() == b"ready\n"
            children = subprocess.run(["pgrep", "-P", str(parent.pid)], capture_output=True, text=True)
            child = int(children.stdout.split()[0])
            try:
                parent.kill()
                parent.wait()
                with ring.writer() as writer:
                    for _ in range(10):
                        writer.write(b"on", timeout=60)
            finally:
                with os.fdopen(os.pidfd_open(child)) as pidfd:
                    os.kill(child, signal.SIGKILL)
                    select.select([pidfd], [], [])  # Readable when the process has ended.


@pytest.mark.parametrize(
    "wait",
    [
        "ring.reader().read()",
        "next(ring.reader())",
        "ring.reader().read_into(bytearray(64))",
        "ring.reader().view()",
        "ring.reader().wait()",
        "full(ring).write(b'x')",
        "full(ring).claim(5)",
        "seqring.Queue(1, 8).get()",
        "asyncio.run(first(ring.reader()))",
        "seqring.Observer.open(observed.name).read()",
        "observed.words.wait(0, observed.words.notified(0))",
        "tasks.put(b'x'); tasks.join()",
        "old.blocking_read(pointer)",
        "old.try_write(b'x'); old.blocking_write(b'x')",
        "held = old.lock.for_write(); held.__enter__(); old.lock.for_read().__enter__()",
    ],
)
def test_ctrl_c_ends_every_wait(wait):
    program = f"""
import asyncio, seqring
from seqring.compat import ringbuffer
ring = seqring.Ring.create(1, 64, slot_class="arena")
observed = seqring.Ring.create(1, 64, observers=True, words=1)
tasks = seqring.Queue(1, 8)
old = ringbuffer.RingBuffer(slot_bytes=8, slot_count=1)
old.new_writer()
pointer = old.new_reader()
old.try_write(b"x")
old.try_read(pointer)
def full(ring):
    global reader
    reader, writer = ring.reader(), ring.writer()
    writer.write(b"x")
    return writer
async def first(reader):
    async for message in reader.aio():
        return message
print("ready", flush=True)
{wait}
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        # Wait until it sleeps in the wait.
        while "S" not in open(f"/proc/{process.pid}/stat").read().rpartition(")")[2][:3]:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in process.communicate(timeout=60)[1]
        assert process.returncode != 0


def test_a_waiting_reader_costs_next_to_nothing(ring):
    with ring.reader() as reader, ring.writer():
        before, began = time.process_time(), time.monotonic()
        with pytest.raises(seqring.TimedOut):
            reader.read(timeout=1)
        assert time.process_time() - before < 0.05 * (time.monotonic() - began)


def test_threads_and_processes_mix(ring):
    with seqring.Ring.create(16, 64) as back, back.reader() as reader, ring.writer() as writer:
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=process_targets.echo, args=(ring, back, 200))
        process.start()
        while not ring.stats().of("reader"):
            time.sleep(0.01)
        thread = threading.Thread(
            target=lambda: [writer.write(n.to_bytes(8, "little"), timeout=60) for n in range(200)]
        )
        thread.start()
        assert [int.from_bytes(reader.read(timeout=60), "little") for _ in range(200)] == list(range(200))
        thread.join()
        finish(process)
