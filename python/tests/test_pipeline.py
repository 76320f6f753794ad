"""Pipelines: order, arrays, metadata, start methods, sources, asyncio."""

import asyncio
import os
import subprocess
import sys
import threading
import time

import pipeline_roles
import numpy
import pytest
import seqring

METHODS = ["fork", "spawn", "forkserver", "threads"]


def pipeline(commander, producer, **options):
    options = {"producers": 2, "start_method": "fork", "timeout": 60, **options}
    return seqring.Pipeline(commander, producer, shapes=pipeline_roles.SHAPES, dtypes=pipeline_roles.DTYPES, **options)


def number_of(arrays):
    """The number in an item of `pipeline_roles`, after a check that the item is whole."""
    number = int(arrays[1][0])
    assert (arrays[0] == number % 256).all() and (arrays[1] == number).all()
    assert arrays[0].shape == (4, 3) and arrays[0].dtype == "uint8" and arrays[1].dtype == "int64"
    return number


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("producer", [pipeline_roles.Filling, pipeline_roles.Returning])
def test_items_come_in_the_order_of_the_messages(method, producer):
    with pipeline(pipeline_roles.Counting(200), producer(), start_method=method) as items:
        for expected, (arrays, meta) in enumerate(items):
            assert number_of(arrays) == expected == items.number
            if producer is pipeline_roles.Filling:
                assert meta["number"] == expected
                assert (meta["pid"] == os.getpid()) == (method == "threads")
        assert items.number == 199
        assert items.stats().done == 200


def test_items_come_in_order_from_producers_of_any_speed_that_fail_now_and_then():
    with pipeline(
        pipeline_roles.Counting(300), pipeline_roles.Uneven(), producers=4, in_flight=16, on_failure="retry"
    ) as items:
        assert [number_of(arrays) for arrays, _ in items] == list(range(300))


def test_unordered_items_come_once_each():
    with pipeline(pipeline_roles.Counting(300), pipeline_roles.Uneven(), producers=4, ordered=False, on_failure="retry") as items:
        assert sorted(number_of(arrays) for arrays, _ in items) == list(range(300))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [pipeline_roles.fill, pipeline_roles.returned])
def test_a_source_is_any_iterable_and_a_producer_any_function(method, make):
    # A generator stays in this process, as a data loader would.
    source = (number for number in range(50))
    with pipeline(source, make, start_method=method) as items:
        assert [number_of(arrays) for arrays, _ in items] == list(range(50))


def test_messages_are_whatever_pickles():
    def double(message):
        return message["image"] * 2

    source = [{"image": numpy.full((3, 2), n, "float32"), "name": f"image {n}"} for n in range(5)]
    with seqring.Pipeline(source, double, shapes=(3, 2), dtypes="float32", start_method="fork") as items:
        assert [float(arrays[0].max()) for arrays, _ in items] == [0, 2, 4, 6, 8]


def test_one_array_is_returned_as_itself_and_structured_elements_are_elements():
    point = numpy.dtype([("x", "f8"), ("y", "f4")])

    def make(message):
        return numpy.array([(message, 1)] * 3, point)

    with seqring.Pipeline(range(3), make, shapes=(3,), dtypes=point, start_method="fork") as items:
        assert [arrays[0]["x"].sum() for arrays, _ in items] == [0, 3, 6]


def test_items_are_the_consumers_own_for_as_long_as_it_likes():
    with pipeline(pipeline_roles.Counting(50), pipeline_roles.Filling(), held_items=3) as items:
        kept = []
        for arrays, _ in items:
            kept.append(arrays)
            arrays[1][0] += 1000
        assert items.stats().copied == 47  # The last kept item was the fourth held one.
    items = None
    for number, arrays in enumerate(kept):
        assert arrays[1].tolist() == [number + 1000, number]
        assert (arrays[0] == number).all()


def test_memory_is_used_again_once_the_last_array_is_gone():
    with pipeline(pipeline_roles.Counting(50), pipeline_roles.Filling(), held_items=2) as items:
        for arrays, _ in items:
            pass
        assert items.stats().copied == 0


def test_threads_that_share_a_pipeline_get_copies_when_all_are_held():
    """Fails if a thread finds all items held while another copies the last."""

    def make(message, out):
        out[0][...] = message % 256

    with seqring.Pipeline(
        range(60), make, shapes=(8 << 20,), start_method="threads", held_items=1, in_flight=4, timeout=60
    ) as items:
        kept, got, errors = next(items), [], []

        def take():
            try:
                got.extend(int(arrays[0][-1]) for arrays, _ in items)
            except seqring.Error as error:
                errors.append(error)

        threads = [threading.Thread(target=take) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors and sorted(got) == list(range(1, 60))
        assert items.stats().copied == 59 and (kept[0][0] == 0).all()


def test_arrays_that_a_producer_keeps_are_read_only():
    with pipeline(pipeline_roles.Counting(50), pipeline_roles.Keeping(), producers=1) as items:
        assert [number_of(arrays) for arrays, _ in items] == list(range(50))


def test_metadata_are_bytes_or_json_or_nothing():
    def make(message, out):
        out.meta = [None, b"bytes", {"a": [1, 2]}, 0][message]

    with seqring.Pipeline(range(4), make, shapes=(1,), start_method="threads") as items:
        assert [meta for _, meta in items] == [None, b"bytes", {"a": [1, 2]}, 0]


def test_no_more_messages_are_issued_than_may_be_in_flight():
    with pipeline(pipeline_roles.Counting(), pipeline_roles.Filling(), in_flight=3) as items:
        for taken in range(1, 100):
            next(items)
            assert items.stats().issued <= taken + 3


def test_figures_say_who_made_how_much():
    with pipeline(pipeline_roles.Counting(100), pipeline_roles.Filling()) as items:
        list(items)
        stats = items.stats()
    assert (stats.issued, stats.done, stats.in_flight) == (100, 100, 0)
    assert sum(producer.made for producer in stats.producers) == 100
    assert all(producer.busy >= 0 and producer.failed == 0 for producer in stats.producers)


def test_a_bar_is_reported_of_every_item():
    class Bar:
        made = []

        def __init__(self, total):
            self.total, self.count, self.closed = total, 0, False
            Bar.made.append(self)

        def update(self, count):
            self.count += count

        def close(self):
            self.closed = True

    given = Bar(None)
    with pipeline(pipeline_roles.Counting(10), pipeline_roles.Filling(), progress=Bar) as items:
        list(items)
    with pipeline(pipeline_roles.Counting(10), pipeline_roles.Filling(), progress=given) as items:
        list(items)
    assert [(bar.total, bar.count, bar.closed) for bar in Bar.made] == [(None, 10, False), (10, 10, True)]


def test_asyncio_gets_items_and_goes_on_meanwhile():
    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        ticking = asyncio.create_task(tick())
        with pipeline(pipeline_roles.Counting(60), pipeline_roles.Uneven(), on_failure="retry") as items:
            numbers = [number_of(arrays) async for arrays, _ in items]
        ticking.cancel()
        return numbers, ticks

    numbers, ticks = asyncio.run(asyncio.wait_for(main(), 60))
    assert numbers == list(range(60)) and ticks > 0


def test_a_task_that_is_cancelled_while_it_waits_loses_nothing():
    gate = threading.Event()

    def make(message, out):
        if message == 3:
            gate.wait(60)
        pipeline_roles.fill(message, out)

    async def main():
        with pipeline(range(6), make, start_method="threads") as items:
            numbers = [number_of((await anext(items))[0]) for _ in range(3)]
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(items), 0.05)
            gate.set()
            return numbers + [number_of(arrays) async for arrays, _ in items]

    assert asyncio.run(asyncio.wait_for(main(), 60)) == list(range(6))


def test_other_tasks_run_after_an_item_was_skipped():
    """Fails if the event loop's thread waits for the next item."""
    gate = threading.Event()

    def make(message, out):
        if message == 0:
            raise ValueError("not this one")
        gate.wait(60)
        pipeline_roles.fill(message, out)

    async def main():
        skipped = asyncio.Event()

        async def open_gate():
            await skipped.wait()
            gate.set()

        opening = asyncio.create_task(open_gate())
        options = {"start_method": "threads", "on_failure": "skip", "producers": 1, "timeout": 10}
        with pipeline(range(3), make, report=lambda error: skipped.set(), **options) as items:
            numbers = [number_of(arrays) async for arrays, _ in items]
        await opening
        return numbers

    try:
        assert asyncio.run(asyncio.wait_for(main(), 60)) == [1, 2]
    finally:
        gate.set()


def test_a_tasks_wait_ends_in_time_and_may_go_on():
    async def main():
        with pipeline(pipeline_roles.CommanderSilent(), pipeline_roles.Filling(), timeout=60) as items:
            assert [number_of((await anext(items))[0]) for _ in range(7)] == list(range(7))
            items.timeout = 0.05
            for _ in range(3):
                with pytest.raises(seqring.TimedOut, match="item"):
                    await anext(items)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_tasks_that_share_a_pipeline_get_each_item_once():
    async def main():
        with pipeline(pipeline_roles.Counting(60), pipeline_roles.Filling()) as items:

            async def take():
                return [number_of(arrays) async for arrays, _ in items]

            return sum(await asyncio.gather(take(), take(), take()), [])

    assert sorted(asyncio.run(asyncio.wait_for(main(), 60))) == list(range(60))


def test_a_wait_ends_in_time_and_may_go_on():
    with pipeline(pipeline_roles.CommanderSilent(), pipeline_roles.Filling(), timeout=60) as items:
        assert [number_of(next(items)[0]) for _ in range(7)] == list(range(7))
        items.timeout = 0.05
        for _ in range(3):
            with pytest.raises(seqring.TimedOut):
                next(items)


NOTEBOOK = """
import seqring

class Producer(seqring.pipeline.Producer):
    def create_data(self, message, out):
        out[0][...] = message

with seqring.Pipeline(range(3), Producer(), shapes=(2,), start_method=METHOD) as items:
    print([int(arrays[0][0]) for arrays, _ in items])
"""


def notebook(method):
    """Runs a program without a file, like a notebook."""
    program = NOTEBOOK.replace("METHOD", repr(method))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("method", [None, "fork", "threads"])
def test_what_is_defined_in_a_notebook_works(method):
    done = notebook(method)
    assert done.stdout == "[0, 1, 2]\n", done.stderr


def test_what_is_defined_in_a_notebook_is_refused_where_it_cannot_go():
    done = notebook("spawn")
    assert "cannot import" in done.stderr and 'start_method="fork"' in done.stderr


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"shapes": (2, -1)}, "0 or more"),
        ({"shapes": [(2,), (3,)], "dtypes": ["u1"]}, "2 shapes and 1 dtypes"),
        ({"dtypes": "O"}, "plain memory"),
        ({"producers": 0}, "producer"),
        ({"in_flight": 0}, "in flight"),
        ({"held_items": 0}, "held"),
        ({"on_failure": "panic"}, "on_failure"),
        ({"start_method": "telepathy"}, "telepathy"),
        ({"produce_timeout": -1}, "timeout"),
    ],
)
def test_what_cannot_be_is_refused(options, what):
    with pytest.raises(ValueError, match=what):
        seqring.Pipeline(range(3), pipeline_roles.returned, **{"shapes": (2,), "start_method": "fork", **options})


def test_a_pipeline_takes_next_to_nothing_while_nothing_is_to_be_done():
    with pipeline(pipeline_roles.CommanderSilent(), pipeline_roles.Filling()) as items:
        for _ in range(7):
            next(items)
        before, began = time.process_time(), time.monotonic()
        items.timeout = 1
        with pytest.raises(seqring.TimedOut):
            next(items)
        assert time.process_time() - before < 0.05 * (time.monotonic() - began)
