"""The less common options of `Ring.create`."""

import multiprocessing
import pickle
import threading


import pytest
import seqring
import process_targets


def test_a_ring_on_the_heap_is_for_threads():
    with seqring.Ring.create(4, 64, shared=False) as ring:
        assert ring.path is None
        with pytest.raises(seqring.RingNotFound):
            seqring.Ring.open(ring.name)
        with pytest.raises(TypeError, match="shared=False"):
            pickle.dumps(ring)
        with ring.reader() as reader:
            thread = threading.Thread(target=process_targets.write_numbers, args=(ring, 100))
            thread.start()
            assert [int.from_bytes(message, "little") for message in reader] == list(range(100))
            thread.join()


def test_a_child_has_no_ring_that_is_on_its_parents_heap():
    def use(ring, results):
        try:
            ring.writer()
        except seqring.Forked as error:
            results.put(str(error))

    context = multiprocessing.get_context("fork")
    with seqring.Ring.create(4, 64, shared=False) as ring:
        results = context.SimpleQueue()
        process = context.Process(target=use, args=(ring, results))
        process.start()
        assert "forked" in results.get()
        process.join()


def test_a_stalled_reader_is_moved_on():
    with seqring.Ring.create(2, 64, evict_after=0.02) as ring, ring.reader() as reader, ring.writer() as writer:
        for n in range(3):
            writer.write(bytes([n]), timeout=60)
        with pytest.raises(seqring.Lagged):
            while reader.read(timeout=60) != b"\2":
                pass
    for patience in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="evict_after"):
            seqring.Ring.create(2, 64, evict_after=patience)


def test_a_kept_ring_waits_for_its_readers():
    with seqring.Ring.create(2, 64, keep=True) as ring, ring.writer() as writer:
        writer.write(b"kept")
    with seqring.Ring.open(ring.name) as again, again.reader("oldest") as reader:
        assert reader.read(timeout=60) == b"kept"
        seqring.Ring.unlink(ring.name)


@pytest.mark.parametrize("unfinished, left", [("redeliver", b"task"), ("drop", None)])
def test_a_dead_takers_message_goes_where_it_should(context, unfinished, left):
    with seqring.Ring.create(2, 64, delivery="queue", unfinished=unfinished) as ring, ring.writer() as writer:
        writer.write(b"task")
        ready = context.Event()
        process = context.Process(target=process_targets.hold_taken, args=(ring, ready))
        process.start()
        ready.wait()
        process.kill()
        process.join()
        with ring.taker() as taker:
            if left is None:
                assert taker.try_take() is None
            else:
                assert taker.take(timeout=60) == left


def test_words_wake_those_who_wait_for_them(context):
    with seqring.Ring.create(1, 8, words=2) as ring:
        words = ring.words
        seen = words.notified(0)
        assert not words.wait(0, seen, timeout=0.01)
        process = context.Process(target=process_targets.notify, args=(ring,))
        process.start()
        assert words.wait(0, seen, timeout=60)
        assert words.load(1) == 5, "what was done before is seen"
        process.join()
        assert words.wait(0, seen), "what has come is not waited for"
        with pytest.raises(IndexError):
            words.wait(2, 0)
