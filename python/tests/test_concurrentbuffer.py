"""The contract of the package `concurrentbuffer`."""

import gc
import multiprocessing
import multiprocessing.context
import os
import threading

import pipeline_roles
import numpy
import pytest
import seqring
from seqring.compat.concurrentbuffer import errors
from seqring.compat.concurrentbuffer.commander import (
    BUFFER_ID_KEY,
    STOP_MESSAGE,
    Commander,
    CommanderForkProcess,
    CommanderProcess,
    CommanderSpawnProcess,
    get_commander_process_class_object,
)
from seqring.compat.concurrentbuffer.factory import BufferFactory, create_buffer_factory
from seqring.compat.concurrentbuffer.info import BufferInfo
from seqring.compat.concurrentbuffer.iterator import BufferIterator, buffer_iterator_factory
from seqring.compat.concurrentbuffer.manager import SharedBufferManager, SharedBufferManagerNotStarted
from seqring.compat.concurrentbuffer.memory import BufferMemory
from seqring.compat.concurrentbuffer.process import SubProcessObject
from seqring.compat.concurrentbuffer.producer import (
    Producer,
    ProducerForkProcess,
    ProducerProcess,
    ProducerSpawnProcess,
    get_producer_process_class_object,
)
from seqring.compat.concurrentbuffer.state import BufferState, BufferStateMemory
from seqring.compat.concurrentbuffer.system import BufferSystem

SHAPES = ((2, 8, 8, 3), (2, 8, 8))


@pytest.fixture(autouse=True)
def no_process_is_left():
    yield
    gc.collect()
    assert multiprocessing.active_children() == []


@pytest.fixture(params=["fork", "spawn"])
def context(request):
    return request.param


def iterator(commander=None, producer=pipeline_roles.CompatFilling, *, shapes=SHAPES, context="fork", **options):
    options = {"cpus": 2, "deterministic": True, "buffer_dtype": numpy.uint8, **options}
    return buffer_iterator_factory(
        buffer_shapes=shapes,
        commander=commander or pipeline_roles.CompatCounting(),
        producer=producer(shapes),
        context=context,
        **options,
    )


def number_of(data):
    assert isinstance(data, list)
    number = int(data[0].flat[0])
    for array in data:
        assert (array == number).all()
    return number


def test_items_come_in_the_order_of_the_messages(context):
    with iterator(context=context) as items:
        for expected in range(40):
            data = next(items)
            assert [array.shape for array in data] == list(SHAPES) and data[0].dtype == "uint8"
            assert number_of(data) == expected
            assert items.meta == {"number": expected}


def test_without_determinism_items_come_once_each(context):
    items = iterator(pipeline_roles.CompatCounting(40), context=context, deterministic=False)
    assert sorted(number_of(data) for data in items) == list(range(40))
    items.stop()


def test_a_factory_of_ones_own(context):
    system = BufferSystem(cpus=2, context=multiprocessing.get_context(context), deterministic=True)
    info = BufferInfo(count=2 * len(BufferState), shapes=SHAPES)
    assert (len(info), info.count, info.shapes, info.dtype) == (2, 8, SHAPES, numpy.uint8)
    assert (system.cpus, system.deterministic) == (2, True)
    factory = BufferFactory(
        buffer_system=system,
        buffer_info=info,
        commander=pipeline_roles.CompatCounting(),
        producer=pipeline_roles.CompatFilling(SHAPES),
    )
    assert factory.buffer_system is system and len(factory.buffer_memories) == 2
    with BufferIterator(buffer_factory=factory) as items:
        assert [number_of(next(items)) for _ in range(20)] == list(range(20))


def test_a_context_is_a_word_or_an_object():
    for context in ["fork", multiprocessing.get_context("fork"), multiprocessing.context.ForkContext()]:
        factory = create_buffer_factory(
            cpus=1,
            batch_commander=pipeline_roles.CompatCounting(),
            batch_producer=pipeline_roles.CompatFilling(SHAPES),
            context=context,
            deterministic=False,
            buffer_shapes=SHAPES,
            buffer_dtype=numpy.uint8,
        )
        assert factory.receiver is factory.sender is None
        with BufferIterator(factory) as items:
            assert number_of(next(items)) == 0


def test_the_parts_have_their_names():
    assert (STOP_MESSAGE, BUFFER_ID_KEY) == ("/stop", "/buffer_id")
    assert [(state.name, state.value) for state in BufferState] == [
        ("FREE", 1),
        ("AVAILABLE", 2),
        ("RESERVED", 3),
        ("PROCESSING", 4),
    ]
    fork, spawn = multiprocessing.get_context("fork"), multiprocessing.get_context("spawn")
    assert get_commander_process_class_object(fork) is CommanderForkProcess
    assert get_commander_process_class_object(spawn) is CommanderSpawnProcess
    assert get_producer_process_class_object(fork) is ProducerForkProcess
    assert get_producer_process_class_object(spawn) is ProducerSpawnProcess
    assert issubclass(CommanderForkProcess, CommanderProcess) and issubclass(ProducerForkProcess, ProducerProcess)
    assert issubclass(Commander, SubProcessObject) and issubclass(Producer, SubProcessObject)
    for get in [get_commander_process_class_object, get_producer_process_class_object]:
        for other in [multiprocessing.get_context("forkserver"), "fork", None]:
            with pytest.raises(ValueError):
                get(other)
    assert isinstance(BufferSystem(1).context, multiprocessing.context.SpawnContext)
    for abstract in [Commander, Producer]:
        with pytest.raises(TypeError):
            abstract()


def test_a_manager_that_is_not_started_says_so():
    manager = SharedBufferManager(BufferInfo(shapes=SHAPES, count=8))
    for _ in range(2):
        for attribute in ["buffers", "state_buffer"]:
            with pytest.raises(SharedBufferManagerNotStarted):
                getattr(manager, attribute)
        manager.start()
        assert len(manager.buffers) == 2 and len(manager.state_buffer.buf) == 8
        manager.shutdown()
    assert issubclass(SharedBufferManagerNotStarted, multiprocessing.ProcessError)


def test_states_change_hands_under_a_lock():
    class Block:
        buf = bytearray(4)

    states = BufferStateMemory(4, numpy.dtype("uint8"), threading.Lock(), Block)
    assert states.get_state_buffer().tolist() == [1, 1, 1, 1]
    assert states.get_free_buffer_id() == 0 and states.get_available_buffer_id() is None
    states.update_buffer_id_to_available(buffer_id=0)
    assert states.get_available_buffer_id(buffer_id=1) is None
    assert states.get_available_buffer_id(buffer_id=0) == 0
    assert states.get_state_buffer().tolist() == [4, 1, 1, 1]
    states.update_buffer_id_to_free(buffer_id=0)
    assert [states.get_free_buffer_id() for _ in range(5)] == [0, 1, 2, 3, None]


def test_the_states_of_a_running_pipeline_can_be_looked_at():
    with iterator() as items:
        next(items)
        states = items._buffer_factory.buffer_state_memory.get_state_buffer()
        assert len(states) == 8 and states.dtype == "uint8"
        assert list(states).count(BufferState.PROCESSING.value) == 1
        assert set(states) <= {state.value for state in BufferState}


def test_buffers_can_be_taken_and_freed_one_by_one():
    with iterator() as items:
        factory = items._buffer_factory
        for expected in range(20):
            buffer_id = factory.receiver.recv()
            assert factory.buffer_state_memory.get_available_buffer_id(buffer_id=buffer_id) == buffer_id
            data = [memory.get_buffer(buffer_id=buffer_id) for memory in factory.buffer_memories]
            assert number_of(data) == expected
            factory.buffer_state_memory.update_buffer_id_to_free(buffer_id=buffer_id)
            with pytest.raises(errors.BufferNotHeldError):
                factory.buffer_memories[0].get_buffer(buffer_id=buffer_id)


class Batches(BufferIterator):
    """A user's class derived from `BufferIterator`."""

    def __init__(self, size, *args, info_queue=None, **kwargs):
        self._size = size
        self._index = 0
        self._info_queue = info_queue
        super().__init__(*args, **kwargs)

    def __len__(self):
        return self._size

    def __next__(self):
        if self._index == len(self):
            self._index = 0
            raise StopIteration()
        self._index += 1
        return *tuple(map(numpy.squeeze, super().__next__())), self._info_queue.get()


def test_an_iterator_may_be_subclassed_and_gets_its_arguments_through_the_factory(context):
    queue = multiprocessing.get_context(context).Queue()
    commander = pipeline_roles.CompatCounting(info_queue=queue)
    with iterator(commander, context=context, buffer_iterator_class=Batches, size=5, info_queue=queue) as batches:
        assert len(batches) == 5
        for epoch in range(3):
            got = [(int(first.max()), int(second.max()), info) for first, second, info in batches]
            assert got == [(n, n, n) for n in range(5 * epoch, 5 * epoch + 5)]


@pytest.mark.parametrize("producer", [pipeline_roles.CompatBare, pipeline_roles.CompatStacked, pipeline_roles.CompatFilling])
@pytest.mark.parametrize("shape", [(2, 8, 3), (1, 8, 3)])
def test_one_shape_may_be_returned_in_each_documented_form(producer, shape):
    if producer is pipeline_roles.CompatStacked and shape[0] != 1:
        pytest.skip("a stack of one is for shapes of one")
    with iterator(producer=producer, shapes=(shape,)) as items:
        for expected in range(10):
            data = next(items)
            assert len(data) == 1 and data[0].shape == shape and number_of(data) == expected


def test_arrays_are_the_consumers_own():
    items = iterator()
    kept = [next(items) for _ in range(30)]
    for data in kept:
        data[0][0] = 77
    items.stop()
    for number, data in enumerate(kept):
        assert (data[0][0] == 77).all() and (data[0][1] == number).all() and (data[1] == number).all()


@pytest.mark.parametrize("commander", [pipeline_roles.CompatCounting(10), pipeline_roles.CompatStopping()])
def test_a_commander_may_end_the_iteration(commander):
    with iterator(commander) as items:
        assert [number_of(data) for data in items] == list(range(10))
        with pytest.raises(StopIteration):
            next(items)


def failure_of(items):
    numbers = []
    with pytest.raises(errors.Error) as caught, items:
        while True:
            numbers.append(number_of(next(items)))
    return numbers, caught.value


@pytest.mark.parametrize(
    ("producer", "kind", "message"),
    [
        (pipeline_roles.CompatRaises, errors.ItemFailed, "ValueError: no 7 today"),
        (pipeline_roles.CompatKilled, errors.WorkerDied, "SIGKILL"),
        (pipeline_roles.CompatWrongShape, errors.ItemFailed, "array 0 has the shape"),
        (pipeline_roles.CompatTooLarge, errors.ItemFailed, "values that uint32 cannot represent"),
        (pipeline_roles.CompatTooFew, errors.ItemFailed, "returned 0 arrays for 2 shapes"),
    ],
)
@pytest.mark.parametrize("deterministic", [True, False])
def test_what_hung_or_went_wrong_unseen_is_an_error_with_its_number(context, producer, kind, message, deterministic):
    # The other workers continue until the death is noticed: allow for more numbers.
    options = {"deterministic": deterministic, "buffer_dtype": numpy.uint32}
    numbers, error = failure_of(iterator(producer=producer, context=context, **options))
    assert 7 not in numbers and (not deterministic or numbers == list(range(7))[: len(numbers)])
    assert isinstance(error, kind) and error.number == 7 and message in str(error)


def test_a_commander_that_raises_is_an_error(context):
    numbers, error = failure_of(iterator(pipeline_roles.CompatRaising(), context=context))
    assert numbers == list(range(7))
    assert isinstance(error, errors.CommanderFailed) and "out of ideas" in str(error)


def test_a_build_that_raises_is_an_error_and_stops(context):
    numbers, error = failure_of(iterator(producer=pipeline_roles.CompatNotBuilt, context=context))
    assert numbers == [] and isinstance(error, errors.BuildFailed) and "no model file" in str(error)


@pytest.mark.parametrize("producer", [pipeline_roles.CompatHangs, pipeline_roles.CompatBuildHangs])
def test_what_hangs_can_be_stopped_and_given_a_time(producer):
    system = BufferSystem(cpus=2, context=multiprocessing.get_context("fork"))
    info = BufferInfo(shapes=SHAPES, count=8)
    factory = BufferFactory(system, info, pipeline_roles.CompatCounting(), producer(SHAPES))
    with BufferIterator(factory, timeout=0.3) as items, pytest.raises(seqring.TimedOut):
        while True:
            next(items)
    factory = BufferFactory(system, info, pipeline_roles.CompatCounting(), producer(SHAPES), produce_timeout=1)
    _, error = failure_of(BufferIterator(factory))
    assert isinstance(error, (errors.ItemTimedOut, errors.BuildFailed))


def test_buffers_that_are_not_freed_are_an_error_and_can_be_freed():
    items = iterator(buffer_iterator_class=BufferIterator, auto_free_buffer=False)
    with items:
        kept = [next(items) for _ in range(8)]
        with pytest.raises(errors.BuffersHeldError, match="all 8 buffers"):
            next(items)
        items._buffer_factory.buffer_state_memory.update_buffer_id_to_free(buffer_id=3)
        assert number_of(next(items)) == 8
        assert [number_of(data) for data in kept] == list(range(8))


def test_stopping_twice_and_dropping_are_ends():
    items = iterator()
    next(items)
    items.stop()
    items.stop()
    with pytest.raises(ValueError):
        next(items)
    dropped = iterator()
    next(dropped)
    del dropped


def test_few_descriptors_are_open():
    before = len(os.listdir("/proc/self/fd"))
    with iterator(cpus=8) as items:
        next(items)
        # Two of each process belong to multiprocessing.
        assert len(os.listdir("/proc/self/fd")) - before <= 4 + 2 * 9
