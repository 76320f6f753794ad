"""Signals during calls of a pipeline: interrupts, and handlers that raise or call it."""

import multiprocessing
import signal
import threading

import pipeline_roles
import pytest
import seqring
from seqring.pipeline._spawner import ProcessWorker, ThreadWorker
from test_pipeline import number_of, pipeline
from test_pipeline_faults import PROCESSES, is_running, no_process_is_left  # noqa: F401


def signals_itself(monkeypatch, worker, method, number=signal.SIGINT):
    """Makes the next call of that method raise a signal, whose handler runs inside it. Returns a
    list that is filled then."""
    real, done = getattr(worker, method), []

    def signalling(self, *args):
        if not done and threading.current_thread() is threading.main_thread():
            done.append(number)
            signal.raise_signal(number)
        return real(self, *args)

    monkeypatch.setattr(worker, method, signalling)
    return done


@pytest.fixture
def handle():
    """Sets the handler of `SIGUSR1`."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda handler: signal.signal(signal.SIGUSR1, handler)
    signal.signal(signal.SIGUSR1, before)


def test_an_interrupt_at_a_look_at_a_thread_is_raised_and_ends_nothing(monkeypatch):
    gate = threading.Event()

    def source():
        yield from range(3)
        gate.wait()
        yield 3

    with pipeline(source(), pipeline_roles.fill, producers=1) as items:
        assert [number_of(next(items)[0]) for _ in range(3)] == list(range(3))
        assert signals_itself(monkeypatch, ThreadWorker, "wait") == []
        with pytest.raises(KeyboardInterrupt):
            next(items)
        gate.set()
        assert [number_of(arrays) for arrays, _ in items] == [3]


@pytest.mark.parametrize("method", PROCESSES)
def test_an_interrupt_at_a_look_at_a_process_is_raised_and_ends_nothing(monkeypatch, method):
    with pipeline(pipeline_roles.CommanderSilent(), pipeline_roles.Filling(), start_method=method) as items:
        assert [number_of(next(items)[0]) for _ in range(7)] == list(range(7))
        done = signals_itself(monkeypatch, ProcessWorker, "wait")
        with pytest.raises(KeyboardInterrupt):
            next(items)
        # From then on no worker is reported dead.
        looks = len(done)
        real = ProcessWorker.wait
        monkeypatch.setattr(ProcessWorker, "wait", lambda self, timeout: (done.append(0), real(self, timeout))[1])
        items.timeout = 0.05
        while len(done) < looks + 6:
            with pytest.raises(seqring.TimedOut):
                next(items)


def test_what_a_handler_raises_at_a_look_is_raised(monkeypatch, handle):
    class Mine(Exception):
        pass

    def raises(*_):
        raise Mine

    handle(raises)
    with pipeline(pipeline_roles.CommanderSilent(), pipeline_roles.Filling()) as items:
        assert [number_of(next(items)[0]) for _ in range(7)] == list(range(7))
        signals_itself(monkeypatch, ProcessWorker, "wait", signal.SIGUSR1)
        with pytest.raises(Mine):
            next(items)
        with pytest.raises(seqring.TimedOut):
            items.timeout = 0.05
            next(items)


def test_an_interrupted_start_is_an_interrupt(monkeypatch):
    signals_itself(monkeypatch, ProcessWorker, "__init__")
    with pytest.raises(KeyboardInterrupt) as caught:
        pipeline(pipeline_roles.Counting(), pipeline_roles.Filling())
    assert "could not be started" in str(caught.value.__context__)


def test_an_interrupted_kill_kills_and_is_raised(monkeypatch):
    done = signals_itself(monkeypatch, ProcessWorker, "kill")
    with pipeline(
        pipeline_roles.Counting(30), pipeline_roles.Hangs(tries=1), on_failure="retry", produce_timeout=3, timeout=30
    ) as items:
        numbers = []
        with pytest.raises(KeyboardInterrupt):
            for arrays, _ in items:
                numbers.append(number_of(arrays))
        assert done == [signal.SIGINT]
        numbers += [number_of(arrays) for arrays, _ in items]
        assert numbers == list(range(30))


@pytest.mark.parametrize("method", PROCESSES)
def test_an_interrupted_stop_ends_all_workers_and_is_raised(monkeypatch, method):
    items = pipeline(pipeline_roles.CommanderSilent(), pipeline_roles.Hangs(3), start_method=method)
    assert [number_of(next(items)[0]) for _ in range(3)] == list(range(3))
    pids = [process.pid for process in multiprocessing.active_children()]
    assert pids
    signals_itself(monkeypatch, ProcessWorker, "wait")
    with pytest.raises(KeyboardInterrupt):
        items.stop()
    assert not any(is_running(pid) for pid in pids)


def test_a_handler_may_stop_the_pipeline_that_is_waited_for(monkeypatch, handle):
    """Hangs if the handler waits for the wait that it interrupts."""
    items = pipeline(pipeline_roles.CommanderSilent(), pipeline_roles.Filling())
    assert [number_of(next(items)[0]) for _ in range(7)] == list(range(7))
    pids = [process.pid for process in multiprocessing.active_children()]
    handle(lambda *_: items.stop())
    signals_itself(monkeypatch, ProcessWorker, "wait", signal.SIGUSR1)
    with pytest.raises(ValueError, match="closed"):
        next(items)
    assert not any(is_running(pid) for pid in pids)
    items.stop()


def test_a_handler_that_calls_the_pipeline_again_finds_it_busy(monkeypatch, handle):
    """Hangs if the handler waits for the wait that it interrupts."""
    called = []

    def come_back(*_):
        for call in [items.stats, items.__next__]:
            with pytest.raises(seqring.Busy):
                call()
        called.append(True)

    with pipeline(pipeline_roles.CommanderSilent(), pipeline_roles.Filling()) as items:
        assert [number_of(next(items)[0]) for _ in range(7)] == list(range(7))
        handle(come_back)
        signals_itself(monkeypatch, ProcessWorker, "wait", signal.SIGUSR1)
        items.timeout = 0.05
        while not called:
            with pytest.raises(seqring.TimedOut):
                next(items)
        assert items.stats().done == 7
