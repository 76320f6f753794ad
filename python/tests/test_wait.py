"""`wait`, `merge`, and asyncio for queues."""

import asyncio
import multiprocessing
import signal
import socket
import threading

import pytest
import seqring


def run(main):
    return asyncio.run(asyncio.wait_for(main, 60))


def make(**options):
    return seqring.Ring.create(4, 8, **options)


@pytest.mark.parametrize("timeout", [3e6, 1e300, float("inf")])
def test_a_timeout_of_any_length_is_a_timeout(timeout):
    with make() as ring, ring.reader() as reader, ring.writer() as writer:
        late = threading.Timer(0.05, writer.write, [b"x"])
        late.start()
        assert seqring.wait([reader], timeout) == [reader]
        late.join()


def test_each_kind_of_object_is_reported_while_it_is_ready():
    one, other = socket.socketpair()
    ours, theirs = multiprocessing.Pipe()
    with (
        make() as ring,
        make(observers=True) as observed,
        make(delivery="queue") as shared,
        make() as full,
        seqring.Queue(2) as items,
        one,
        other,
        ours,
        theirs,
        ring.writer() as writer,
        observed.writer() as observed_writer,
        shared.writer() as shared_writer,
        full.reader() as slow,
        full.writer() as waits_for_room,
    ):
        while waits_for_room.try_write(b"x") is not None:
            pass
        reader, observer = ring.reader(), seqring.Observer.open(observed.name)
        taker = shared.taker()
        objects = [reader, observer, taker, items, waits_for_room, one, ours, other.fileno()]
        for _ in range(2):
            assert seqring.wait(objects, 0) == seqring.wait(objects, 0.01) == []
            sends = [
                (lambda: writer.write(b"1"), reader.read),
                (lambda: observed_writer.write(b"1"), observer.read),
                (lambda: shared_writer.write(b"1"), taker.take),
                (lambda: items.put(1), items.get),
                (slow.read, lambda: waits_for_room.write(b"1")),
                (lambda: other.send(b"1"), lambda: one.recv(1)),
                (lambda: theirs.send(b"1"), ours.recv),
                (lambda: one.send(b"1"), lambda: other.recv(1)),
            ]
            for what, (send, use) in zip(objects, sends, strict=True):
                # The thread sends while the wait sleeps, or before.
                thread = threading.Thread(target=send)
                thread.start()
                assert seqring.wait(objects, 60) == [what]
                thread.join()
                assert seqring.wait(objects) == seqring.wait(iter(objects), 0) == [what]
                use()
        for send, _ in sends:
            send()
        assert seqring.wait(objects) == objects


def test_no_message_is_missed_and_the_ends_are_reported():
    with make() as one, make() as other:
        readers = [one.reader(), other.reader()]

        def write(ring):
            with ring.writer() as writer:
                for n in range(300):
                    writer.write(bytes([n % 256]), timeout=60)

        threads = [threading.Thread(target=write, args=(ring,)) for ring in (one, other)]
        for thread in threads:
            thread.start()
        got = {reader: [] for reader in readers}
        while readers:
            for reader in seqring.wait(readers, 60):
                try:
                    got[reader].append(reader.try_read()[0])
                except seqring.Closed:
                    readers.remove(reader)
        for thread in threads:
            thread.join()
        assert list(got.values()) == [[n % 256 for n in range(300)]] * 2


def test_an_empty_wait_needs_a_timeout():
    with pytest.raises(ValueError, match="never end"):
        seqring.wait([])
    assert seqring.wait([], 0.01) == []
    with pytest.raises(ValueError, match="non-negative"):
        seqring.wait([], -1)


def test_a_signal_handler_ends_a_wait():
    def handle(number, frame):
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, handle)
    try:
        with make() as ring, ring.reader() as reader, pytest.raises(InterruptedError):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            seqring.wait([reader])
    finally:
        signal.signal(signal.SIGALRM, before)


def test_merged_messages_come_from_all_streams_until_the_last_ends():
    async def main(endpoints, writers):
        async def write(writer, number):
            with writer:
                for n in range(100):
                    while writer.try_write(bytes([number, n])) is None:
                        await asyncio.sleep(0)
                    if n % 7 == number:
                        await asyncio.sleep(0.001)

        writing = asyncio.gather(*(write(writer, number) for number, writer in enumerate(writers)))
        got = [bytes(message) async for message in seqring.merge(*endpoints)]
        await writing
        return got

    with (
        make() as one,
        make(delivery="queue") as shared,
        seqring.Ring.create(128, 8, observers=True) as observed,
        observed.reader() as follows,
    ):
        endpoints = [one.reader(), shared.taker(), follows, seqring.Observer.open(observed.name)]
        got = run(main(endpoints, [ring.writer() for ring in (one, shared, observed)]))
        for number in (0, 1):
            assert [message[1] for message in got if message[0] == number] == list(range(100))
        seen = [message[1] for message in got if message[0] == 2]
        assert sorted(seen) == sorted([*range(100)] * 2)


def test_a_stream_that_always_has_messages_does_not_hide_another():
    async def main(merged):
        return [bytes(await anext(merged)) for _ in range(4)]

    with make() as one, make() as other:
        readers = [one.reader(), other.reader()]
        with one.writer() as busy, other.writer() as rare:
            for n in range(4):
                busy.write(b"busy")
            rare.write(b"rare")
            assert b"rare" in run(main(seqring.merge(*readers)))[:2]


def test_a_cancelled_merge_loses_nothing():
    async def main(merged, writers):
        got = []
        for number in range(60):
            task = asyncio.create_task(anext(merged))
            for step in range(number % 4):
                if step == 1:
                    writers[number % 2].write(bytes([number]))
                await asyncio.sleep(0)
            task.cancel()
            try:
                got.append((await task)[0])
            except asyncio.CancelledError:
                pass
            if number % 4 < 2:
                writers[number % 2].write(bytes([number]))
        while len(got) < 60:
            got.append((await anext(merged))[0])
        return got

    with seqring.Ring.create(64, 8) as one, seqring.Ring.create(64, 8) as other:
        merged = seqring.merge(one.reader(), other.reader())
        with one.writer() as first, other.writer() as second:
            assert sorted(run(main(merged, [first, second]))) == list(range(60))


def test_a_queue_in_an_event_loop():
    async def main(items):
        async def put():
            for n in range(50):
                await items.aput(n)

        async def get():
            return [await items.aget() for _ in range(50)]

        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(items.aget(), 0.02)
        _, got = await asyncio.gather(put(), get())
        waiting = asyncio.create_task(items.aget())
        await asyncio.sleep(0)
        items.shutdown()
        with pytest.raises(seqring.ShutDown):
            await waiting
        with pytest.raises(seqring.ShutDown):
            await items.aput(1)
        return got

    with seqring.Queue(2) as items:
        assert run(main(items)) == list(range(50))
