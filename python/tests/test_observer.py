"""`Observer`: reading without registering."""

import asyncio
import threading

import numpy
import pytest
import seqring
import process_targets


@pytest.fixture(params=["gated", "lossy"])
def ring(request):
    with seqring.Ring.create(4, 4096, delivery=request.param, observers=True, meta_bytes=32, await_readers=0) as ring:
        yield ring


def test_it_sees_what_is_there_and_the_end(ring):
    with seqring.Observer.open(ring.name) as observer:
        assert observer.try_read() is None
        with ring.writer() as writer:
            writer.write(b"one", meta={"n": 1})
            writer.write(b"two")
            out = bytearray(8)
            assert observer.lag == 2 and observer.wait(timeout=0)
            assert (observer.read(timeout=60), observer.meta, observer.sequence) == (b"one", b'{"n":1}', 0)
            assert (observer.read_into(out), out[:3]) == (3, b"two")
            assert not observer.wait(timeout=0) and not observer.wait(timeout=0.01)
            with pytest.raises(seqring.TimedOut):
                observer.read(timeout=0.01)
        with pytest.raises(seqring.Closed):
            observer.read(timeout=60)
        assert list(observer) == []


def test_it_is_unseen_and_learns_what_it_lost(ring):
    with seqring.Observer.open(ring.name) as observer, ring.writer() as writer:
        for n in range(20):
            assert writer.try_write(bytes([n])) == n
        assert ring.stats().of("reader") == []
        with pytest.raises(seqring.Lagged) as lagged:
            observer.read()
        assert lagged.value.lost == observer.position == observer.lost > 0
        assert observer.read() == bytes([observer.sequence])
        position = observer.position
        assert (observer.skip_to_latest(), observer.read()) == (19 - position, bytes([19]))


def test_a_claim_is_private_where_a_reader_may_read(ring):
    with seqring.Observer.open(ring.name) as observer, ring.writer() as writer:
        with writer.claim(8) as room:
            room[:] = b"12345678"
            assert observer.try_read() is None
        assert observer.read(timeout=60) == b"12345678"


def test_it_waits_for_another_process(context, ring):
    with seqring.Observer.open(ring.name) as observer:
        process = context.Process(target=process_targets.write_numbers, args=(ring, 1))
        process.start()
        assert observer.wait(timeout=60)
        assert observer.read() == bytes(8)
        process.join()


def test_closing_it_ends_a_wait_in_another_thread(ring):
    observer, ended = seqring.Observer.open(ring.name), []

    def read():
        with pytest.raises(ValueError):
            observer.read()
        ended.append(True)

    thread = threading.Thread(target=read)
    thread.start()
    observer.close()
    thread.join(60)
    assert ended == [True]


def test_a_ring_that_does_not_exist_is_not_observed():
    with pytest.raises(seqring.RingNotFound):
        seqring.Observer.open("no-ring-of-this-name")


def test_arrays_of_frames_are_read_into(tmp_path):
    with seqring.Ring.create(4, shape=(2, 3), dtype="float32", observers=True) as ring, ring.writer() as writer:
        out = numpy.zeros((2, 3), "float32")
        with seqring.Observer.open(ring.name) as observer:
            writer.write(numpy.ones((2, 3), "float32"))
            assert observer.read_into(out) == out.nbytes and out.sum() == 6


def test_an_event_loop_reads_along(ring):
    async def read(observer):
        return [bytes(message) async for message in observer.aio()]

    with seqring.Observer.open(ring.name) as observer:
        thread = threading.Timer(0.05, process_targets.write_numbers, (ring, 3))
        thread.start()
        assert asyncio.run(read(observer)) == [n.to_bytes(8, "little") for n in range(3)]
        thread.join()
