"""asyncio."""

import asyncio
import queue
import threading

import pytest
import seqring
import process_targets


def run(main):
    return asyncio.run(asyncio.wait_for(main, 60))


def test_messages_come_in_order_and_the_stream_ends():
    async def main(ring):
        with ring.reader() as reader:
            thread = threading.Thread(target=write, args=(ring.writer(),))
            thread.start()
            got = [int.from_bytes(message, "little") async for message in reader.aio()]
            thread.join()
            return got

    def write(writer):
        with writer:
            for n in range(500):
                writer.write(n.to_bytes(4, "little"), timeout=60)

    with seqring.Ring.create(8, 8) as ring:
        assert run(main(ring)) == list(range(500))


def test_other_tasks_run_and_a_cancelled_wait_loses_nothing():
    async def main(ring):
        with ring.reader() as reader, ring.writer() as writer:
            messages = reader.aio()
            ticks = 0
            for _ in range(3):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(anext(messages), 0.02)
                ticks += 1
            writer.write(b"kept")
            assert await anext(messages) == b"kept"
            waiting = asyncio.create_task(anext(messages))
            await asyncio.sleep(0)
            writer.write(b"next")
            assert await waiting == b"next"
            await messages.aclose()
            return ticks

    with seqring.Ring.create(4, 8) as ring:
        assert run(main(ring)) == 3


def test_errors_reach_the_task():
    async def main(ring):
        with ring.reader() as reader, ring.writer() as writer:
            for n in range(9):
                writer.write(b"x")
            with pytest.raises(seqring.Lagged):
                await anext(reader.aio())

    with seqring.Ring.create(4, 8, delivery="lossy") as ring:
        run(main(ring))


def test_several_takers_share_a_loop():
    async def main(ring):
        async def take(taker):
            return [bytes(message) async for message in taker.aio()]

        with ring.taker() as one, ring.taker() as other:
            writer = ring.writer()
            taking = asyncio.gather(take(one), take(other))
            for n in range(50):
                while writer.try_write(bytes([n])) is None:
                    await asyncio.sleep(0)
            writer.close()
            return sorted(sum(await taking, []))

    with seqring.Ring.create(4, 8, delivery="queue") as ring:
        assert run(main(ring)) == [bytes([n]) for n in range(50)]


def test_other_tasks_get_their_turn_while_messages_keep_coming():
    async def main(ring):
        turns = 0

        async def other():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        with ring.reader() as reader, ring.writer() as writer:
            for _ in range(100):
                writer.write(b"x")
            writer.close()
            task = asyncio.create_task(other())
            got = [message async for message in reader.aio()]
            task.cancel()
            return len(got), turns

    with seqring.Ring.create(100, 8) as ring:
        count, turns = run(main(ring))
        assert count == 100 and turns >= 5


def test_a_stream_goes_on_in_the_next_loop():
    """Fails if a wait leaves something in the event loop that ended."""

    async def give_up(messages):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(messages), 0.02)

    async def go_on(messages, writer):
        waiting = asyncio.create_task(anext(messages))
        await asyncio.sleep(0)
        writer.write(b"kept")
        return await waiting

    with seqring.Ring.create(4, 8) as ring, ring.reader() as reader, ring.writer() as writer:
        messages = reader.aio()
        for _ in range(3):
            run(give_up(messages))
            assert run(go_on(messages, writer)) == b"kept"
        run(messages.aclose())


def test_two_tasks_may_share_a_stream_and_both_learn_of_its_end():
    """Fails if the second task's wait replaces the first one's."""

    async def main(ring):
        with ring.reader() as reader:
            writer, messages = ring.writer(), reader.aio()

            async def take():
                return [message async for message in messages]

            tasks = [asyncio.create_task(take()) for _ in range(2)]
            await asyncio.sleep(0)
            for n in range(10):
                writer.write(bytes([n]))
                await asyncio.sleep(0.001)
            writer.close()
            return sum(await asyncio.gather(*tasks), [])

    with seqring.Ring.create(16, 8) as ring:
        assert sorted(run(main(ring))) == [bytes([n]) for n in range(10)]


def test_a_writers_death_reaches_the_task(context):
    """Fails if `PeerDied` is treated as the end of the stream."""

    async def main(messages):
        with pytest.raises(seqring.PeerDied) as caught:
            await anext(messages)
        assert [message async for message in messages] == []  # Reported once.
        return caught.value.pid

    with seqring.Ring.create(4, 8) as ring, ring.reader() as reader:
        ready = context.Event()
        process = context.Process(target=process_targets.hang_with, args=(ring.writer, ready))
        process.start()
        ready.wait()
        process.kill()
        process.join()
        assert run(main(reader.aio())) == process.pid


@pytest.mark.parametrize("kind", ["reader", "observer", "taker", "pipeline"])
def test_a_cancelled_task_loses_nothing_wherever_it_is_cancelled(kind):
    """Cancels a task after each number of steps of the loop, before and after the message is there."""
    count = 40

    async def main(messages, send):
        got = []
        for number in range(count):
            sends_at = number % 3
            task = asyncio.create_task(anext(messages))
            for step in range(number % 7):
                if step == sends_at:
                    send(number)
                    sends_at = None
                await asyncio.sleep(0.001 * (step % 2))
            task.cancel()
            try:
                got.append(await task)
            except asyncio.CancelledError:
                pass
            if sends_at is not None:
                send(number)
        while len(got) < count:
            got.append(await anext(messages))
        return got

    if kind == "pipeline":
        sent = queue.SimpleQueue()

        def make(message, out):
            out[0][...] = message

        with seqring.Pipeline(iter(sent.get, None), make, shapes=1, dtypes="int64", start_method="threads") as items:
            got = run(main(aiter(items), sent.put))
            assert [int(arrays[0][0]) for arrays, _ in got] == list(range(count))
            sent.put(None)
        return
    delivery = "queue" if kind == "taker" else "gated"
    with seqring.Ring.create(64, 8, delivery=delivery, observers=kind == "observer") as ring, ring.writer() as writer:
        inbox = seqring.Observer.open(ring.name) if kind == "observer" else getattr(ring, kind)()
        with inbox:
            got = run(main(inbox.aio(), lambda number: writer.write(bytes([number]))))
            assert [message[0] for message in got] == list(range(count))
