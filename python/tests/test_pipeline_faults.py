"""Failures of pipelines: each is prompt, named, and leaves nothing behind."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pipeline_roles
import pytest
import seqring
from seqring.pipeline import (
    BuildFailed,
    CommanderFailed,
    ItemFailed,
    ItemTimedOut,
    Stuck,
    WorkerDied,
)
from seqring.pipeline._spawner import ProcessWorker
from test_pipeline import METHODS, number_of, pipeline

PROCESSES = ["fork", "spawn", "forkserver"]


@pytest.fixture(autouse=True)
def no_process_is_left():
    yield
    gc.collect()
    assert multiprocessing.active_children() == []


def failure_of(items):
    """The numbers before the error, and the error."""
    numbers = []
    with pytest.raises(seqring.Error) as caught, items:
        for arrays, _ in items:
            numbers.append(number_of(arrays))
    return numbers, caught.value


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("producer", "message"),
    [
        (pipeline_roles.Raises, "ValueError: no 7 today"),
        (pipeline_roles.Exits, "SystemExit: 3"),
        (pipeline_roles.WrongShape, r"array 0 is \(4, 3\) of uint8, but the producer made \(4, 4\) of uint8"),
        (pipeline_roles.WrongDtype, r"array 0 is \(4, 3\) of uint8, but the producer made \(4, 3\) of float32"),
        (pipeline_roles.WrongCount, "an item has 2 arrays, but the producer returned 4"),
        (pipeline_roles.WrongAssignment, r"made \(4, 4\) of uint8"),
        (pipeline_roles.LongMeta, "fit"),
    ],
)
def test_what_a_producer_does_wrong_reaches_the_consumer_with_its_traceback(method, producer, message):
    numbers, error = failure_of(pipeline(pipeline_roles.Counting(), producer(), start_method=method))
    assert numbers == list(range(7))
    assert isinstance(error, ItemFailed) and (error.number, error.tries) == (7, 1)
    with pytest.raises(ItemFailed, match=message):
        raise error
    if producer is pipeline_roles.Raises:
        assert "pipeline_roles.py" in error.traceback and "in at" in error.traceback


@pytest.mark.parametrize("method", PROCESSES)
def test_a_producer_that_is_killed_is_named_with_its_item(method):
    numbers, error = failure_of(pipeline(pipeline_roles.Counting(), pipeline_roles.Killed(), start_method=method))
    assert numbers == list(range(7))[: len(numbers)]  # Its process's end is noticed first.
    assert isinstance(error, WorkerDied) and error.number == 7 and "SIGKILL" in str(error)


@pytest.mark.parametrize("method", PROCESSES)
def test_a_producer_that_hangs_is_killed_when_its_time_is_over(method):
    numbers, error = failure_of(
        pipeline(pipeline_roles.Counting(), pipeline_roles.Hangs(), start_method=method, produce_timeout=3)
    )
    assert numbers == list(range(7))[: len(numbers)]
    assert isinstance(error, ItemTimedOut) and isinstance(error, TimeoutError) and error.number == 7


def time_for(producer):
    return {"produce_timeout": 3} if producer is pipeline_roles.Hangs else {}


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("producer", [pipeline_roles.Raises, pipeline_roles.Killed, pipeline_roles.Hangs])
def test_a_skipped_item_is_reported_and_the_others_come(producer, ordered):
    reported = []
    with pipeline(
        pipeline_roles.Counting(30), producer(), ordered=ordered, on_failure="skip", report=reported.append, **time_for(producer)
    ) as items:
        numbers = [number_of(arrays) for arrays, _ in items]
    assert sorted(numbers) == [number for number in range(30) if number != 7]
    assert not ordered or numbers == sorted(numbers)
    assert [error.number for error in reported] == [7]


@pytest.mark.parametrize("producer", [pipeline_roles.Raises, pipeline_roles.Killed, pipeline_roles.Hangs])
def test_a_failed_item_is_tried_again_and_not_more_often_than_said(producer):
    options = {"on_failure": "retry", "retries": 2, **time_for(producer)}
    with pipeline(pipeline_roles.Counting(30), producer(tries=2), **options) as items:
        assert [number_of(arrays) for arrays, _ in items] == list(range(30))
    numbers, error = failure_of(pipeline(pipeline_roles.Counting(30), producer(tries=3), **options))
    assert numbers == list(range(7))[: len(numbers)] and error.number == 7


@pytest.mark.parametrize("method", METHODS)
def test_a_commander_that_raises_ends_it_after_the_items_before(method):
    numbers, error = failure_of(pipeline(pipeline_roles.CommanderRaises(), pipeline_roles.Filling(), start_method=method))
    assert numbers == list(range(7))
    assert isinstance(error, CommanderFailed) and error.number == 7
    assert error.message == "ValueError: out of ideas" and "pipeline_roles.py" in error.traceback


@pytest.mark.parametrize("method", PROCESSES)
def test_a_commander_that_is_killed_is_named(method):
    numbers, error = failure_of(pipeline(pipeline_roles.CommanderKilled(), pipeline_roles.Filling(), start_method=method))
    assert numbers == list(range(len(numbers)))
    assert isinstance(error, WorkerDied) and "the commander" in str(error) and "SIGKILL" in str(error)


def test_a_source_that_raises_is_a_commander_that_raises():
    def source():
        yield from range(5)
        raise ValueError("no more pages")

    numbers, error = failure_of(pipeline(source(), pipeline_roles.fill))
    assert numbers == list(range(5)) and isinstance(error, CommanderFailed)


@pytest.mark.parametrize("method", METHODS)
def test_a_message_that_is_too_long_is_refused_with_what_to_do(method):
    _, error = failure_of(pipeline(pipeline_roles.CommanderWordy(), pipeline_roles.Filling(), start_method=method))
    assert isinstance(error, CommanderFailed) and "message_bytes" in str(error)


@pytest.mark.parametrize("method", METHODS)
def test_a_build_that_raises_is_reported(method):
    for commander, producer, worker in [
        (pipeline_roles.Counting(), pipeline_roles.NotBuilt(), "producer"),
        (pipeline_roles.CommanderNotBuilt(), pipeline_roles.Filling(), "the commander"),
    ]:
        numbers, error = failure_of(pipeline(commander, producer, start_method=method))
        assert numbers == []
        assert isinstance(error, (BuildFailed, CommanderFailed)) and worker in str(error)
        assert "RuntimeError: no " in str(error)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_what_cannot_be_unpickled_is_reported(method):
    numbers, error = failure_of(pipeline(pipeline_roles.Counting(), pipeline_roles.NotUnpickled(), start_method=method))
    assert numbers == [] and isinstance(error, BuildFailed)
    assert error.message == "RuntimeError: no such version" and "__setstate__" in error.traceback


def test_what_does_not_pickle_is_reported_at_the_start():
    with pytest.raises(seqring.pipeline.PipelineError, match="pickle"):
        pipeline(range(3), lambda message: None, start_method="spawn")


UNGUARDED = """
import seqring
from pipeline_roles import returned
with seqring.Pipeline(range(3), returned, shapes=[(4, 3), (2,)], dtypes=["u1", "i8"], start_method="spawn") as items:
    print(list(items))
"""


def test_a_program_that_starts_itself_anew_in_its_workers_ends(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(UNGUARDED)
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 1
    assert "WorkerDied" in done.stderr and "before it began" in done.stderr and "bootstrapping phase" in done.stderr


INTERRUPTED = """
import sys
import pipeline_roles, seqring
with seqring.Pipeline(pipeline_roles.CommanderSilent(), pipeline_roles.Filling(), shapes=pipeline_roles.SHAPES, dtypes=pipeline_roles.DTYPES,
                      start_method=sys.argv[1]) as items:
    for arrays, meta in items:
        if items.number == 6:
            print(*(process.pid for process in __import__("multiprocessing").active_children()), flush=True)
"""


@pytest.mark.parametrize("method", ["fork", "threads"])
def test_ctrl_c_ends_the_wait_and_all_workers(method):
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    command = [sys.executable, "-c", INTERRUPTED, method]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, process_group=0
    ) as process:
        workers = [int(pid) for pid in process.stdout.readline().split()]
        assert len(workers) == (2 if method == "fork" else 0)
        os.killpg(process.pid, signal.SIGINT)
        assert b"KeyboardInterrupt" in process.communicate(timeout=60)[1]
    assert not any(is_running(pid) for pid in workers)


NOT_REPORTED = """
import signal, sys
import pipeline_roles, seqring
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
items = seqring.Pipeline(pipeline_roles.Counting(), pipeline_roles.Killed(), shapes=pipeline_roles.SHAPES, dtypes=pipeline_roles.DTYPES,
                         producers=2, start_method=sys.argv[1], timeout=60)
try:
    for _ in items:
        pass
except seqring.pipeline.WorkerDied as error:
    print(error.number, "ended with an unknown status" in str(error) or "SIGKILL" in str(error))
items.stop()
"""


@pytest.mark.parametrize("method", PROCESSES)
def test_a_death_that_the_system_does_not_report_is_seen_all_the_same(method):
    """Fails if the end of a process is detected only by its exit code."""
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    command = [sys.executable, "-c", NOT_REPORTED, method]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert (done.stdout, done.returncode) == ("7 True\n", 0), done.stderr


ENDLESS = """
import sys
import seqring

def endless(message):
    print("begun", flush=True)
    while True:
        pass

items = seqring.Pipeline(range(3), endless, shapes=(1,), start_method="threads", timeout=1)
try:
    next(items)
except seqring.TimedOut:
    sys.exit(7)
"""


def test_a_program_ends_whose_threads_do_not():
    done = subprocess.run([sys.executable, "-c", ENDLESS], capture_output=True, text=True, timeout=120)
    assert done.returncode == 7, done.stderr


@pytest.mark.parametrize("method", PROCESSES)
def test_a_build_that_hangs_or_is_killed_is_reported(method):
    for producer in [pipeline_roles.BuildHangs(), pipeline_roles.BuildKilled()]:
        numbers, error = failure_of(pipeline(pipeline_roles.Counting(), producer, start_method=method, produce_timeout=2))
        assert numbers == [] and isinstance(error, (BuildFailed, WorkerDied))


@pytest.mark.parametrize("method", METHODS)
def test_a_consumer_may_stop_whenever_it_likes(method):
    items = pipeline(pipeline_roles.Counting(), pipeline_roles.Filling(), start_method=method)
    assert [number_of(next(items)[0]) for _ in range(5)] == list(range(5))
    items.stop()
    items.stop()
    with pytest.raises(ValueError):
        next(items)


@pytest.mark.parametrize("method", METHODS)
def test_a_consumer_may_drop_it(method):
    items = pipeline(pipeline_roles.Counting(), pipeline_roles.Filling(), start_method=method)
    arrays, _ = next(items)
    del items
    assert number_of(arrays) == 0


class Owner:
    """A producer that refers to its own pipeline."""

    def __init__(self):
        self.items = seqring.Pipeline(range(100), self.make, shapes=(2,), start_method="fork", in_flight=2)

    def make(self, message, out):
        out[0][...] = message


def test_a_pipeline_whose_producer_refers_to_it_ends_with_both():
    """Fails if the garbage collector cannot see the cycle."""
    owner = Owner()
    arrays, _ = next(owner.items)
    assert multiprocessing.active_children() != []
    weak = weakref.ref(owner)
    del owner
    gc.collect()
    assert weak() is None and multiprocessing.active_children() == []
    assert (arrays[0] == 0).all()


@pytest.mark.parametrize("method", PROCESSES)
def test_workers_that_do_not_come_back_are_killed_at_the_end(method):
    items = pipeline(pipeline_roles.CommanderSilent(), pipeline_roles.Hangs(3), start_method=method)
    assert [number_of(next(items)[0]) for _ in range(3)] == list(range(3))
    items.stop()


def test_threads_that_do_not_come_back_are_named():
    gate = threading.Event()

    def make(message, out):
        gate.wait(60)

    items = pipeline(range(5), make, start_method="threads")
    with pytest.raises(seqring.TimedOut):
        items.timeout = 0.05
        next(items)
    with pytest.raises(Stuck, match="producer"):
        items.stop()
    gate.set()


@pytest.mark.parametrize("method", METHODS)
def test_threads_in_python_code_are_interrupted_and_end_in_time(method):
    """Fails if a thread is interrupted only after the time to stop has passed."""
    begun = threading.Event()

    def endless():
        yield from range(3)
        begun.set()
        while True:
            pass

    with pipeline(endless(), pipeline_roles.fill, start_method=method) as items:
        assert [number_of(next(items)[0]) for _ in range(3)] == list(range(3))
        begun.wait()


def test_a_process_that_does_not_die_is_waited_for_only_once():
    class Undying:
        pid, sentinel, exitcode, asked = 1, None, None, 0.0

        def start(self):
            pass

        def kill(self):
            pass

        def join(self, timeout):
            self.asked += timeout

    undying = Undying()
    worker = ProcessWorker(undying)
    worker.kill()
    assert worker.wait(0.4) is None
    assert undying.asked <= 2


@pytest.mark.parametrize("method", PROCESSES)
def test_a_consumer_that_is_killed_takes_its_workers_with_it(method):
    context = multiprocessing.get_context("spawn")
    ready = context.SimpleQueue()
    # Not a daemon of multiprocessing: those may not have children.
    consumer = context.Process(target=pipeline_roles.iterate_and_hang, args=(method, ready))
    consumer.start()
    workers = ready.get()
    segments = set(Path("/dev/shm").glob("py-*"))
    os.kill(consumer.pid, signal.SIGKILL)
    consumer.join()
    deadline = time.monotonic() + 60
    while any(is_running(pid) for pid in workers):
        assert time.monotonic() < deadline, "workers outlive their consumer"
        time.sleep(0.05)
    assert not {path for path in segments if str(consumer.pid) in path.name}


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_pipeline_leaves_no_descriptor():
    def use():
        with pipeline(pipeline_roles.Counting(20), pipeline_roles.Filling()) as items:
            list(items)
        with pipeline(range(20), pipeline_roles.fill) as items:
            list(items)

    use()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        use()
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_a_forked_child_inherits_is_not_its_own():
    with pipeline(pipeline_roles.Counting(20), pipeline_roles.Filling()) as items:
        number_of(next(items)[0])
        child = os.fork()
        if child == 0:
            try:
                next(items)
            except seqring.Forked:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert [number_of(arrays) for arrays, _ in items] == list(range(1, 20))


@pytest.mark.parametrize("method", ["fork", "threads"])
def test_room_for_more_items_than_there_are_addresses_is_refused(method):
    for options in [{"held_items": 2**64 - 3}, {"in_flight": 2**64 - 2}]:
        with pytest.raises(ValueError):
            pipeline(range(3), pipeline_roles.fill, start_method=method, **options)
