"""Element types: each is shown as itself, or refused. What a buffer refuses, numpy refuses too."""

import os
import pickle

import numpy
import pytest
import seqring

ml_dtypes = pytest.importorskip("ml_dtypes")

WITHOUT_FORMAT = [
    "bfloat16",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
]


@pytest.mark.parametrize("slot_class", ["arena", "lines"])
@pytest.mark.parametrize("name", WITHOUT_FORMAT)
def test_elements_that_no_buffer_can_name_are_themselves(name, slot_class):
    """Fails if they are shown as integers of their size."""
    dtype = numpy.dtype(getattr(ml_dtypes, name))
    numbers = numpy.array([[1, 2, 4], [0.5, 1, 2]], dtype)
    with seqring.Ring.create(8, shape=(2, 3), dtype=dtype, slot_class=slot_class, observers=False) as ring:
        assert ring.dtype == name
        with ring.reader() as reader, ring.writer() as writer:
            with writer.claim(ring.shape) as frame:
                assert frame.dtype == dtype
                frame[...] = numbers
            with writer.claim(ring.shape, dtype) as frame:
                frame[...] = numbers
            with pytest.raises(ValueError):
                frame[...] = 0
            writer.write(numbers)
            for _ in range(2):
                array = reader.read()
                assert array.dtype == dtype and (array == numbers).all()
                array[0, 0] = 2
            with reader.view() as view:
                shown = numpy.asarray(view)
                assert shown.dtype == dtype and shown.shape == (2, 3) and (shown == numbers).all()
                assert float(shown.astype("float64").mean()) == 1.75
                assert not shown.flags.writeable
                assert numpy.asarray(view, "float32").dtype == "float32"
                for ask in (memoryview, bytes):
                    with pytest.raises(BufferError, match="cannot name"):
                        ask(view)
                writer.write(view)  # An array goes on to another ring too.
                del shown


def test_an_array_over_elements_without_a_format_keeps_the_message():
    with seqring.Ring.create(1, shape=(3,), dtype="bfloat16", slot_class="arena") as ring:
        with ring.reader() as reader, ring.writer() as writer:
            writer.write(numpy.array([1, 2, 3], ml_dtypes.bfloat16))
            with reader.view() as view:
                part = numpy.asarray(view)[1:]
            del view
            assert writer.try_write(bytes(6)) is None, "an array still shows the message"
            assert part.tolist() == [2, 3]
            del part
            assert writer.try_write(bytes(6)) == 1


@pytest.mark.parametrize("other", ["uint16", "int16", "float16", "bfloat16"])
@pytest.mark.parametrize("of_ring", ["uint16", "int16", "float16", "bfloat16"])
def test_elements_of_the_same_size_are_not_taken_for_each_other(of_ring, other):
    """Fails if an array without a format is compared by its size alone."""
    types = {"bfloat16": ml_dtypes.bfloat16}
    array = numpy.array([1, 2, 3], types.get(other, other))
    with seqring.Ring.create(4, shape=(3,), dtype=of_ring) as ring, ring.reader(), ring.writer() as writer:
        if other == of_ring:
            assert writer.write(array) == 0
            return
        with pytest.raises(seqring.FrameMismatch, match=of_ring):
            writer.write(array)
        with pytest.raises(seqring.FrameMismatch, match=of_ring):
            writer.claim((3,), array.dtype)


def test_structures_are_no_numbers():
    for of_ring, other in (("int64", "datetime64[s]"), ("int64", "timedelta64[s]")):
        with seqring.Ring.create(4, shape=(3,), dtype=of_ring) as ring, ring.writer() as writer:
            assert writer.write(numpy.zeros(3, other)) == 0
    with seqring.Ring.create(4, shape=(3,), dtype="float64") as ring, ring.writer() as writer:
        with pytest.raises(seqring.FrameMismatch, match="datetime"):
            writer.write(numpy.zeros(3, "datetime64[s]"))


class Torch:
    """A type of torch: it has a text, and no name."""

    def __str__(self):
        return "torch.bfloat16"


@pytest.mark.parametrize(
    "dtype, name",
    [
        ("f4", "float32"),
        ("<f4", "float32"),
        ("double", "float64"),
        (float, "float64"),
        (int, "int64"),
        (bool, "bool"),
        (numpy.longlong, "int64"),
        (numpy.dtype(numpy.longlong), "int64"),
        (numpy.ulonglong, "uint64"),
        (numpy.intc, "int32"),
        (numpy.half, "float16"),
        (ml_dtypes.float8_e5m2, "float8_e5m2"),
        ("float8_e5m2", "float8_e5m2"),
        (Torch(), "bfloat16"),
    ],
)
def test_an_element_type_may_be_said_as_numpy_understands_it(dtype, name):
    with seqring.Ring.create(2, shape=(3,), dtype=dtype) as ring, ring.reader() as reader, ring.writer() as writer:
        assert ring.dtype == name
        with writer.claim((3,), dtype) as frame:
            assert frame.dtype.name == name
        assert reader.read().dtype.name == name


@pytest.mark.parametrize("dtype", ["no type", "S4", "O", "float128", "int4", ml_dtypes.int4, [("a", "i4")], object()])
def test_what_is_no_element_type_is_refused_by_name(dtype):
    with pytest.raises(ValueError, match="dtype must be one of"):
        seqring.Ring.create(2, shape=(3,), dtype=dtype)


@pytest.fixture
def frames():
    with seqring.Ring.create(4, shape=(2, 3), dtype="uint8", slot_class="arena") as ring:
        yield ring


def test_numpy_raises_what_the_buffer_refuses(frames):
    """Fails if `getbuffer` alone refuses: numpy then makes an array of one object."""
    with frames.reader() as reader, frames.writer() as writer:
        writer.write(numpy.ones((2, 3), "uint8"))
        with reader.view() as view:
            pass
        published, abandoned = writer.claim((2, 3)), None
        published.publish()
        abandoned = writer.claim((2, 3))
        abandoned.abandon()
        for ask in (numpy.asarray, numpy.array, lambda thing: numpy.stack([thing]), lambda thing: numpy.zeros(1) + thing):
            with pytest.raises(ValueError, match="released"):
                ask(view)
            for claim in (published, abandoned):
                with pytest.raises(BufferError, match="published"):
                    ask(claim)
        view, claim = reader.view(), writer.claim((2, 3))
        pid = os.fork()
        if pid == 0:
            refused = 0
            for thing in (view, claim):
                try:
                    numpy.asarray(thing)
                except (seqring.Forked, BufferError):
                    refused += 1
            os._exit(refused)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
        view.release(), claim.abandon()


def test_numpy_raises_what_an_items_buffer_refuses():
    kept = []

    class Make(seqring.pipeline.Producer):
        def create_data(self, message, out):
            kept.append(out[0].base)
            return numpy.zeros(3, "uint8")

    with seqring.Pipeline(range(2), Make(), shapes=3, start_method="threads") as pipeline:
        for _ in pipeline:
            pass
    with pytest.raises(BufferError, match="done"):
        numpy.asarray(kept[0])


def test_a_dlpack_consumer_may_ask_for_a_copy(frames):
    with frames.reader() as reader, frames.writer() as writer:
        writer.write(numpy.ones((2, 3), "uint8"))
        with reader.view() as view:
            copy = numpy.from_dlpack(view, copy=True)
            same = numpy.from_dlpack(view, copy=False)
            assert not same.flags.writeable
            del same
        copy[...] += 1
        assert copy.tolist() == [[2, 2, 2], [2, 2, 2]]
        writer.write(bytes(6))
        assert reader.read().tolist() == [[0] * 3] * 2, "the copy keeps no message"


@pytest.mark.parametrize("options", [{"delivery": "lossy"}, {"slot_class": "lines"}, {"slot_class": "packed"}])
def test_a_reader_has_several_views_where_they_are_copies(options):
    with seqring.Ring.create(4, 64, meta_bytes=8, tag=True, **options) as ring:
        with ring.reader() as reader, ring.writer() as writer:
            for n in range(3):
                writer.write(bytes([n]), meta=bytes([n]), tag=n)
            views = [reader.view() for _ in range(3)]
            assert [view.tobytes() for view in views] == [b"\0", b"\1", b"\2"]
            assert [(view.meta, view.tag, view.sequence) for view in views] == [(bytes([n]), n, n) for n in range(3)]
            assert not any(view.in_place for view in views) and reader.sequence == 2
            arrays = [numpy.asarray(view) for view in views]
            views[1].release()
            with pytest.raises(ValueError, match="released"):
                memoryview(views[1])
            assert [array.tolist() for array in arrays] == [[0], [1], [2]]


# What derived classes are after they were sent.


class Jobs(seqring.Queue):
    def __init__(self, *arguments, **keywords):
        self.before = "set first"
        super().__init__(*arguments, **keywords)
        self.label = "mine"


def derived():
    from seqring.compat import ringbuffer

    class_of = {
        name: type(name, (getattr(ringbuffer, name),), {"__module__": __name__})
        for name in ("RingBuffer", "Pointer", "SlotArray", "ReadersWriterLock")
    }
    globals().update(class_of)
    yield Jobs(4, 64)
    yield class_of["RingBuffer"](slot_bytes=8, slot_count=2)
    yield class_of["Pointer"](4, start=3)
    yield class_of["SlotArray"](slot_bytes=8, slot_count=2)
    yield class_of["ReadersWriterLock"]()


def test_a_derived_class_stays_itself_when_it_is_pickled():
    for thing in derived():
        thing.added = 5
        again = pickle.loads(pickle.dumps(thing))
        assert type(again) is type(thing) and again.added == 5
        if isinstance(thing, Jobs):
            assert (again.before, again.label) == ("set first", "mine")
            opened = Jobs.open(thing.name)
            assert type(opened) is Jobs
            opened.put(b"x")
            assert again.get() == b"x"


def test_the_pointers_of_a_ring_are_pickled_as_themselves():
    from seqring.compat import ringbuffer

    ring = ringbuffer.RingBuffer(slot_bytes=8, slot_count=2)
    ring.new_writer()
    pointer = ring.new_reader()
    ring.try_write(b"x")
    again = pickle.loads(pickle.dumps(pointer))
    assert type(again) is type(pointer) and ring.try_read(again) == b"x"
    assert pickle.loads(pickle.dumps(ring.writer)).counter.value == 1
    ring.close()
