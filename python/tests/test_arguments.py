"""Arguments that cannot be, and what their errors say."""

import multiprocessing
import os
import signal
import stat
import subprocess
import sys

import pytest
import seqring
from seqring.compat import ringbuffer

NO_TIMES = [-1, float("nan"), -float("inf")]


@pytest.fixture
def waits():
    """Calls with a timeout, of which each would end at once with another one."""
    with seqring.Ring.create(4, 64, words=1) as ring, seqring.Queue(4, 64) as queue:
        reader, writer = ring.reader(), ring.writer()
        tasks = seqring.Ring.create(4, 64, delivery="queue")
        taker = tasks.taker()
        old = ringbuffer.RingBuffer(slot_bytes=8, slot_count=2)
        old.new_writer()
        pointer = old.new_reader()
        old.try_write(b"x")
        queue.put(b"x"), queue.get(), queue.task_done()
        yield [
            lambda timeout: reader.read(timeout),
            lambda timeout: reader.read_into(bytearray(64), timeout),
            lambda timeout: reader.read_batch(3, timeout),
            lambda timeout: reader.view(timeout),
            lambda timeout: reader.wait(timeout),
            lambda timeout: taker.take(timeout),
            lambda timeout: writer.write(b"x", timeout=timeout),
            lambda timeout: writer.write_batch([b"x"], timeout=timeout),
            lambda timeout: writer.claim(3, timeout=timeout),
            lambda timeout: writer.claim(3).publish(timeout),
            lambda timeout: writer.wait(timeout),
            lambda timeout: ring.words.wait(0, 5, timeout),
            lambda timeout: queue.put(b"x", timeout=timeout),
            lambda timeout: queue.get(timeout=timeout),
            lambda timeout: queue.join(timeout),
            lambda timeout: old.blocking_read(pointer, timeout=timeout),
            lambda timeout: old.blocking_write(b"x", timeout=timeout),
            lambda timeout: seqring.Pipeline([1], print, shapes=3, start_method="threads", timeout=timeout),
        ]
        for thing in (reader, writer, taker, tasks, old):
            thing.close()


@pytest.mark.parametrize("timeout", NO_TIMES)
def test_a_timeout_is_a_number_from_0_on_in_every_call(waits, timeout):
    for wait in waits:
        with pytest.raises(ValueError, match="timeout"):
            wait(timeout)


def test_a_tag_needs_a_ring_with_tags():
    """Fails if a tag is dropped silently."""
    with seqring.Ring.create(4, 64) as ring, ring.reader() as reader, ring.writer() as writer:
        for call in (writer.write, writer.try_write):
            with pytest.raises(ValueError, match="tag=True"):
                call(b"x", tag=5)
        with pytest.raises(ValueError, match="tag=True"):
            writer.claim(3, tag=5)
        writer.write(b"x", tag=0)
        assert reader.read() == b"x"


NUMBERS = ["slots", "slot_bytes", "readers", "participants", "meta_bytes", "words", "first_sequence"]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("bad, kind", [(-1, ValueError), (1 << 70, ValueError), ("4", TypeError), (1.5, TypeError)])
def test_a_number_that_cannot_be_is_refused_by_its_name(name, bad, kind):
    arguments = {"slots": 4, "slot_bytes": 64, name: bad}
    with pytest.raises(kind, match=name):
        seqring.Ring.create(**arguments)
    with pytest.raises(kind, match=name):
        seqring.Ring.open_or_create("py-never", **arguments)


def test_a_name_in_the_place_of_the_slots_is_recognised():
    with pytest.raises(TypeError, match="slots must be a number, not 'py-never'; a name is a keyword: name='py-never'"):
        seqring.Ring.create("py-never", 4)


def test_other_numbers_are_refused_by_their_names_too():
    with seqring.Ring.create(4, 64, words=2, tag=True) as ring, ring.reader() as reader, ring.writer() as writer:
        words = ring.words
        for name, call in {
            "index": lambda: words.load(-1),
            "value": lambda: words.store(0, -1),
            "seen": lambda: words.wait(0, -1),
            "nbytes": lambda: words.read(0, -1),
            "max": lambda: reader.read_batch(-1),
            "tag": lambda: writer.write(b"x", tag=-1),
            "shape": lambda: seqring.Ring.create(4, shape=(-1, 3), dtype="uint8"),
        }.items():
            with pytest.raises(ValueError, match=name):
                call()


@pytest.mark.parametrize("call", ["create", "open_or_create"])
def test_an_unknown_keyword_is_refused_by_its_name(call):
    first = ("py-never",) if call == "open_or_create" else ()
    with pytest.raises(TypeError, match="slot_byte"):
        getattr(seqring.Ring, call)(*first, 4, 64, slot_byte=4)


@pytest.mark.parametrize("option", [{"writers": 4}, {"writers": "two"}, {"delivery": True}, {"slot_class": 3.5}])
def test_a_word_that_cannot_be_is_refused_with_those_that_can(option):
    ((name, word),) = option.items()
    with pytest.raises(ValueError, match=f'^{name} must be "[a-z]+".* or "[a-z]+", not "{word}"'):
        seqring.Ring.create(4, 64, **option)


@pytest.mark.parametrize("start", [-1, 1 << 70, "first", None, 1.5])
def test_a_start_that_cannot_be_is_refused_with_what_can(start):
    with seqring.Ring.create(4, 64, observers=True) as ring:
        for call in (ring.reader, lambda start: seqring.Observer.open(ring.name, start)):
            with pytest.raises(ValueError, match=r'^start must be "next", "oldest", "latest" or a sequence from 0 on'):
                call(start)


def test_what_is_too_large_is_named():
    with seqring.Ring.create(4, 4096, meta_bytes=64) as ring, ring.reader() as reader, ring.writer() as writer:
        for call in (lambda: writer.write(b"x", meta=bytes(65)), lambda: writer.claim(5, meta=bytes(65))):
            with pytest.raises(seqring.TooLarge, match="^metadata of 65 bytes .* meta_bytes=64") as caught:
                call()
            assert (caught.value.size, caught.value.limit) == (65, 64)
        with pytest.raises(seqring.TooLarge, match="^a message of 4097 bytes .* slot_bytes=4096"):
            writer.write(bytes(4097), meta=bytes(64))
        assert reader.try_read() is None


@pytest.mark.parametrize("options", [{}, {"delivery": "queue", "observers": True}])
def test_a_ring_without_observers_is_not_damaged(options):
    with seqring.Ring.create(4, 64, **options) as ring, pytest.raises(seqring.Unusable, match="observe") as caught:
        seqring.Observer.open(ring.name)
    assert not isinstance(caught.value, seqring.Corrupt)


@pytest.mark.parametrize("name", ["item_bytes", "processes"])
def test_a_queues_errors_use_its_words(name):
    arguments = {"maxsize": 4, "item_bytes": 64, "processes": 2, name: 0}
    with pytest.raises(ValueError, match=f"^{name} must be at least 1"):
        seqring.Queue(**arguments)


def test_a_full_queue_of_processes_says_so():
    with seqring.Queue(4, 64, processes=1) as queue:
        queue.put(b"x")
        with seqring.Queue.open(queue.name) as other, pytest.raises(seqring.TableFull, match="more processes"):
            other.get()


def test_the_version_is_that_of_the_package():
    from importlib.metadata import version

    assert seqring.__version__ == version("seqring")


# Rings that are opened or created, replaced, shared with others.


def test_a_ring_is_opened_or_created():
    name = f"py-{os.getpid()}-either"
    with seqring.Ring.open_or_create(name, 4, 64, meta_bytes=8) as one, one.writer() as writer:
        with seqring.Ring.open_or_create(name, 4, 64, meta_bytes=8) as other, other.reader() as reader:
            writer.write(b"same", meta=b"m")
            assert (reader.read(), reader.meta) == (b"same", b"m")
        with pytest.raises(seqring.Unusable, match="another configuration"):
            seqring.Ring.open_or_create(name, 8, 64, meta_bytes=8)
        assert os.path.exists(one.path), "who was refused removes nothing"


LEFT = """
import os, signal, sys, seqring
ring = seqring.Ring.create(4, 64, name=sys.argv[1])
writer = ring.writer()
writer.write(b"left")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("call", ["create", "open_or_create"])
def test_a_ring_that_killed_processes_left_is_replaced(call):
    name = f"py-{os.getpid()}-left"
    done = subprocess.run([sys.executable, "-c", LEFT, name], timeout=120)
    assert done.returncode == -signal.SIGKILL
    make = (lambda **options: seqring.Ring.create(8, 32, name=name, **options)) if call == "create" else (
        lambda **options: seqring.Ring.open_or_create(name, 8, 32, **options)
    )
    if call == "create":
        with pytest.raises(seqring.RingExists):
            make()
    with make(replace_unused=True) as ring:
        assert (ring.slots, ring.next_sequence) == (8, 0)
        if call == "create":
            with pytest.raises(seqring.RingExists):
                make(replace_unused=True)  # It is in use.


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_mode_is_that_of_the_file_whatever_the_umask(umask):
    before = os.umask(umask)
    try:
        for mode in (0o600, 0o660, 0o644):
            with seqring.Ring.create(4, 64, mode=mode, group=os.getgid()) as ring:
                status = os.stat(ring.path)
                assert stat.S_IMODE(status.st_mode) == mode and status.st_gid == os.getgid()
        with seqring.Ring.create(4, 64) as ring:
            assert stat.S_IMODE(os.stat(ring.path).st_mode) == 0o600
    finally:
        os.umask(before)
    for mode in (0o400, 0o1777):
        with pytest.raises(ValueError, match="mode"):
            seqring.Ring.create(4, 64, mode=mode)


# A pipeline in a daemonic process.


def make_item(message, out):
    out[0][...] = message


def run_pipeline(method, results):
    with seqring.Pipeline(range(5), make_item, shapes=3, start_method=method) as pipeline:
        sums = [int(arrays[0].sum()) for arrays, _ in pipeline]
    results.put((sums, multiprocessing.current_process().daemon))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver", "threads"])
def test_a_daemonic_process_may_run_a_pipeline(method):
    """Fails with multiprocessing's refusal of children."""
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    process = context.Process(target=run_pipeline, args=(method, results), daemon=True)
    process.start()
    process.join(120)
    assert process.exitcode == 0  # A process that was refused its children puts no result.
    assert results.get() == ([0, 3, 6, 9, 12], True)
