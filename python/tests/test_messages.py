"""Writing and reading in one process."""

import contextlib
import ctypes
import os
import queue
import signal
import threading

import numpy
import pytest
import seqring
import process_targets


@pytest.fixture
def ring():
    with seqring.Ring.create(4, 64) as ring:
        yield ring


def test_messages_come_out_as_they_went_in_and_the_stream_ends(ring):
    with ring.reader() as reader:
        with ring.writer() as writer:
            assert [writer.write(data) for data in (b"", b"one", bytearray(b"two"), memoryview(b"three"))] == [0, 1, 2, 3]
        assert list(reader) == [b"", b"one", b"two", b"three"]
        with pytest.raises(seqring.Closed):
            reader.read()


@pytest.mark.parametrize("dtype", ["u1", "<i4", ">f8", "?", "c16", "datetime64[s]", "S3", [("a", "i4"), ("b", "f8")]])
def test_arrays_of_every_type_are_written_as_they_lie(ring, dtype):
    array = numpy.zeros(3, dtype)
    with ring.reader() as reader, ring.writer() as writer:
        writer.write(array)
        writer.write(array[::2])
        assert [reader.read(), reader.read()] == [array.tobytes(), array[::2].tobytes()]


def test_elements_that_no_format_describes_are_frames_by_size_and_shape():
    with seqring.Ring.create(4, shape=(3,), dtype="int64") as ring, ring.reader() as reader, ring.writer() as writer:
        dates = numpy.array(["2001-01-01", "2002-02-02", "2003-03-03"], "datetime64[D]")
        writer.write(dates)
        assert numpy.frombuffer(reader.read(), dates.dtype).tolist() == dates.tolist()
        for bad in (dates[:2], dates.reshape(3, 1)):
            with pytest.raises(seqring.FrameMismatch):
                writer.write(bad)


def test_frames_have_the_rings_element_type_in_this_machines_byte_order():
    """Fails if an unknown format is accepted because its size matches."""
    with seqring.Ring.create(4, shape=(2, 3), dtype="int32") as ring, ring.writer() as writer:
        for bad in (">i4", "<u4", "<f4", "S4", [("a", "i2"), ("b", "i2")]):
            with pytest.raises(seqring.FrameMismatch, match="int32"):
                writer.write(numpy.zeros((2, 3), bad))
    with seqring.Ring.create(4, shape=(2, 3), dtype="float64") as ring, ring.writer() as writer:
        for bad in ("c8", "i8", ">f8", "S8"):
            with pytest.raises(seqring.FrameMismatch, match="float64"):
                writer.write(numpy.zeros((2, 3), bad))
    with seqring.Ring.create(4, shape=(3,), dtype="uint8") as ring, ring.writer() as writer:
        for bad in ("i1", "?"):
            with pytest.raises(seqring.FrameMismatch, match="uint8"):
                writer.write(numpy.zeros(3, bad))


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8", "c16", "?"])
def test_frames_of_every_element_type_are_accepted(dtype):
    array = numpy.arange(6).reshape(2, 3).astype(dtype)
    formats = [array, memoryview(array)]
    if dtype not in ("f2", "c8", "c16"):
        formats.append(numpy.ctypeslib.as_ctypes(array))  # These formats start with "<".
    with seqring.Ring.create(4, shape=(2, 3), dtype=array.dtype) as ring:
        with ring.reader() as reader, ring.writer() as writer:
            for same in formats:
                writer.write(same)
                with reader.view() as view:
                    shown = numpy.asarray(view)
                    assert shown.dtype == array.dtype and (shown == array).all()
                    del shown


def test_a_ring_of_another_machines_byte_order_is_refused():
    other = numpy.dtype("i4").newbyteorder()
    with pytest.raises(ValueError, match="byte order"):
        seqring.Ring.create(4, shape=(3,), dtype=other)
    with seqring.Ring.create(4, 64) as ring, ring.writer() as writer, pytest.raises(ValueError, match="byte order"):
        writer.claim((3,), other)


def test_a_single_element_is_a_frame_without_extents():
    with seqring.Ring.create(4, shape=(), dtype="float64") as ring, ring.reader() as reader, ring.writer() as writer:
        writer.write(numpy.array(1.5))
        writer.write(numpy.float64(2.5))
        with writer.claim(()) as array:
            array[()] = 3.5
        for value in (1.5, 2.5, 3.5):
            with reader.view() as view:
                shown = numpy.asarray(view)
                assert shown.shape == () and shown == value
                del shown
        with pytest.raises(seqring.FrameMismatch):
            writer.write(numpy.zeros(1))
    with seqring.Ring.create(4, shape=(1,), dtype="float64") as ring, ring.writer() as writer:
        with pytest.raises(seqring.FrameMismatch):
            writer.write(numpy.array(1.5))


OBJECTS = {
    "array": lambda: numpy.array([object(), "text"], object),
    "fields": lambda: numpy.zeros(2, [("number", "i8"), ("any", object)]),
    # The date has no format, so the whole array has none.
    "fields without a format": lambda: numpy.zeros(2, [("date", "datetime64[s]"), ("any", object)]),
    "ctypes": lambda: (ctypes.py_object * 2)(1, "text"),
    "memoryview": lambda: memoryview(numpy.array([object(), "text"], object)),
}


@pytest.mark.parametrize("what", OBJECTS)
def test_objects_are_no_messages_and_are_not_written_over(ring, what):
    """Fails, or crashes, if addresses of objects are treated as data."""
    objects = OBJECTS[what]()
    shown = lambda: repr(list(getattr(objects, "obj", objects)))  # noqa: E731
    before = shown()
    with ring.reader() as reader, ring.writer() as writer:
        for write in (writer.write, writer.try_write, lambda data: writer.write_batch([data])):
            with pytest.raises(TypeError, match="objects"):
                write(objects)
        assert reader.try_read() is None
        writer.write(b"x" * 32)
        for read in (reader.read_into, reader.try_read_into):
            with pytest.raises(TypeError, match="objects"):
                read(objects)
        assert reader.read() == b"x" * 32
    with seqring.Ring.create(4, 32, delivery="queue", words=4) as tasks, tasks.taker() as taker:
        with pytest.raises(TypeError, match="objects"):
            tasks.words.write(0, objects)
        with tasks.writer() as writer:
            writer.write(b"x" * 32)
            for take in (taker.take_into, taker.try_take_into):
                with pytest.raises(TypeError, match="objects"):
                    take(objects)
            assert taker.take() == b"x" * 32
    assert shown() == before


def test_what_is_only_named_like_objects_is_data(ring):
    array = numpy.zeros(2, [("Offset", "i4"), ("O", "f8")])
    out = numpy.ones(2, array.dtype)
    dates = numpy.ones(2, "datetime64[s]")
    with ring.reader() as reader, ring.writer() as writer:
        for data, room in ((array, out), (dates, numpy.zeros(2, dates.dtype))):
            writer.write(data)
            assert reader.read_into(room) == data.nbytes and (room == data).all()


def test_structures_go_there_and_back(ring):
    class Point(ctypes.Structure):
        _fields_ = [("x", ctypes.c_int32), ("y", ctypes.c_double)]

    with ring.reader() as reader, ring.writer() as writer:
        writer.write(Point(3, 0.5))
        point = Point.from_buffer(reader.read())  # Needs a writable buffer.
        assert (point.x, point.y) == (3, 0.5)


def test_elements_with_gaps_are_gathered(ring):
    array = numpy.arange(24, dtype="i2").reshape(4, 6)
    with ring.reader() as reader, ring.writer() as writer:
        for part in (array[:, ::2], array.T[1:3], array[::-1, 2], numpy.asfortranarray(array[:2])):
            writer.write(part)
            assert reader.read() == part.tobytes()


@pytest.mark.parametrize("what", ["text", 3, None, [b"a"]])
def test_what_has_no_buffer_is_refused_by_name(ring, what):
    with ring.writer() as writer, pytest.raises(TypeError, match=type(what).__name__):
        writer.write(what)


def test_a_message_that_does_not_fit_is_refused_with_both_numbers(ring):
    with ring.writer() as writer, pytest.raises(seqring.TooLarge) as caught:
        writer.write(bytes(65))
    assert isinstance(caught.value, ValueError)
    assert (caught.value.size, caught.value.limit) == (65, 64)


def test_try_forms_return_none_where_there_is_nothing_to_do(ring):
    with ring.reader() as reader, ring.writer() as writer:
        assert reader.try_read() is None
        assert reader.try_read_into(bytearray(64)) is None
        assert reader.try_read_batch(5) == []
        assert reader.try_view() is None
        assert [writer.try_write(b"x") for _ in range(5)] == [0, 1, 2, 3, None]
        assert writer.refused == 1
        assert reader.lag == 4


def test_timeouts_name_the_process_they_waited_for(ring):
    with ring.reader() as reader, ring.writer() as writer:
        with pytest.raises(seqring.TimedOut) as caught:
            reader.read(timeout=0.01)
        assert isinstance(caught.value, TimeoutError)
        writer.write_batch([b"x"] * 4)
        with pytest.raises(seqring.TimedOut) as caught:
            writer.write(b"x", timeout=0.01)
        assert (caught.value.role, caught.value.pid, caught.value.lag) == ("reader", os.getpid(), 4)
        assert str(os.getpid()) in str(caught.value)


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_timeout_that_is_none_is_refused(ring, timeout):
    with ring.reader() as reader, pytest.raises(ValueError, match="timeout"):
        reader.read(timeout=timeout)


def test_read_into_fills_the_callers_array_and_loses_nothing_that_is_too_large(ring):
    out = numpy.zeros(8, "u1")
    with ring.reader() as reader, ring.writer() as writer:
        writer.write(b"12345678")
        with pytest.raises(seqring.TooSmall) as caught:
            reader.read_into(out[:4])
        assert caught.value.needed == 8
        with pytest.raises(BufferError):
            reader.read_into(b"read-only")
        assert reader.read_into(out) == 8
        assert out.tobytes() == b"12345678"


def test_batches_take_what_is_there(ring):
    with ring.reader() as reader, ring.writer() as writer:
        assert writer.write_batch([b"1", b"2", b"3"]) == 3
        assert reader.read_batch(2) == [b"1", b"2"]
        assert reader.read_batch(100) == [b"3"]
        assert writer.write_batch([b"x"] * 9, timeout=0.01) == 4
        with pytest.raises(TypeError):
            writer.write_batch(b"not a list")
        with pytest.raises(ValueError):
            reader.read_batch(0)


@pytest.mark.parametrize("how", ["reader", "view", "observer", "taker", "taken view"])
def test_a_writer_that_died_after_a_batch_is_reported_by_the_next_call(context, how):
    """Fails if a batch loses the death: the ring reports it once."""
    takes = how in ("taker", "taken view")
    options = {"delivery": "queue"} if takes else {"observers": True}
    with contextlib.ExitStack() as stack:
        ring = stack.enter_context(seqring.Ring.create(8, 64, **options))
        join = ring.taker if takes else ring.reader
        source = stack.enter_context(seqring.Observer.open(ring.name) if how == "observer" else join())
        with join() as witness:
            ready = context.Event()
            process = context.Process(target=process_targets.hang_with, args=(ring.writer, ready))
            process.start()
            ready.wait()
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            with pytest.raises(seqring.PeerDied):  # The death is known before the batch.
                witness.take(timeout=60) if takes else witness.read(timeout=60)
        writer = stack.enter_context(ring.writer())
        writer.write_batch([b"1", b"2", b"3"])
        assert (source.take_batch if takes else source.read_batch)(9) == [b"1", b"2", b"3"]
        assert source.wait(timeout=0)
        with pytest.raises(seqring.PeerDied) as caught:
            if how.endswith("view"):
                source.try_view()
            else:
                source.try_take() if takes else source.try_read()
        assert caught.value.pid == process.pid
        writer.write(b"4")
        assert (source.try_take_batch if takes else source.try_read_batch)(9) == [b"4"]


def test_a_wait_without_time_is_a_look(ring):
    """Fails if a wait with timeout 0 does not check at all."""
    with seqring.Ring.create(4, 64, delivery="queue") as tasks, tasks.taker() as taker, tasks.writer() as writer:
        assert taker.try_take() is None and not taker.wait(0)
        writer.write(b"x")
        assert taker.wait(0) and taker.take() == b"x" and not taker.wait(0)
        writer.close()
        assert taker.wait(0), "the end of the stream counts as ready"
    with ring.reader() as reader, ring.writer() as writer:
        assert reader.try_read() is None and not reader.wait(0)
        for _ in range(4):
            assert writer.wait(0)
            writer.write(b"x")
        assert reader.wait(0) and not writer.wait(0)
        reader.read()
        assert writer.wait(0)


def test_metadata_and_tags_go_with_their_message():
    with seqring.Ring.create(4, 8, meta_bytes=32, tag=True, timestamps=True) as ring:
        with ring.reader() as reader, ring.writer() as writer:
            writer.write(b"a", meta=b"raw", tag=7)
            writer.write(b"b", meta={"camera": 3})
            writer.write(b"c")
            reader.read()
            assert (reader.meta, reader.tag, reader.sequence) == (b"raw", 7, 0)
            assert reader.timestamp_ns > 0
            with reader.view() as view:
                assert view.meta == b'{"camera":3}'
            reader.read()
            assert (reader.meta, reader.tag) == (b"", 0)
            with pytest.raises(seqring.TooLarge):
                writer.write(b"d", meta=bytes(33))
            with pytest.raises(TypeError):
                writer.write(b"d", meta=object())


def test_a_message_without_a_tag_or_a_time_has_none():
    for delivery, slot_bytes in [("gated", 8), ("gated", 1 << 16), ("lossy", 8), ("queue", 8)]:
        with seqring.Ring.create(4, slot_bytes, delivery=delivery) as ring, ring.writer() as writer:
            with ring.taker() if delivery == "queue" else ring.reader() as receiver:
                assert (receiver.tag, receiver.timestamp_ns) == (None, None)
                writer.write_batch([b"a", b"b"])
                next(receiver)
                assert (receiver.tag, receiver.timestamp_ns) == (None, None)
                with receiver.view() as view:
                    assert (view.tag, view.timestamp_ns) == (None, None)


def test_a_slow_reader_of_a_lossy_ring_learns_exactly_what_it_lost():
    with seqring.Ring.create(4, 8, delivery="lossy") as ring:
        with ring.reader() as reader, ring.reader(skip_lost=True) as careless, ring.writer() as writer:
            for n in range(11):
                writer.write(bytes([n]))
            with pytest.raises(seqring.Lagged) as caught:
                reader.read()
            assert reader.read() == bytes([caught.value.lost])
            assert reader.lost == caught.value.lost
            careless.read()
            assert careless.lost == caught.value.lost
            assert [one.lost for one in ring.stats().of("reader")] == [reader.lost, careless.lost]


def test_statistics_count_a_writers_refusals_apart_from_what_readers_lost(ring):
    with ring.reader(), ring.writer() as writer:
        while writer.try_write(b"x") is not None:
            pass
        assert [(one.lost, one.refused) for one in ring.stats().of("writer")] == [(0, 1)]


def test_a_reader_that_skips_to_the_latest_message_reads_that_and_lost_none(ring):
    with ring.reader() as reader, ring.writer() as writer:
        assert reader.skip_to_latest() == 0
        for n in range(3):
            writer.write(bytes([n]))
        assert (reader.skip_to_latest(), reader.skip_to_latest(), reader.lag) == (2, 0, 1)
        assert (reader.read(), reader.skip_to_latest(), reader.lost) == (b"\2", 0, 0)


def test_readers_start_where_requested(ring):
    with ring.writer() as writer:
        for n in range(3):
            writer.write(bytes([n]))
        for start, first in (("next", b"\0"), ("next", None), ("latest", b"\2"), ("oldest", b"\0"), (1, b"\1")):
            with ring.reader(start) as reader:
                assert reader.try_read() == first
    with pytest.raises(ValueError, match="start"):
        ring.reader("middle")


def test_a_second_writer_is_refused_by_pid_and_shutdown_ends_everything(ring):
    with ring.writer() as writer, ring.reader() as reader:
        with pytest.raises(seqring.WriterTaken) as caught:
            ring.writer()
        assert caught.value.pid == os.getpid()
        ring.shutdown()
        with pytest.raises(seqring.Closed):
            writer.write(b"x")
        with pytest.raises(seqring.Closed):
            reader.read()


def test_many_writers_are_in_one_order_for_all_readers():
    with seqring.Ring.create(64, 8, writers="many") as ring:
        readers = [ring.reader() for _ in range(3)]

        def write(number):
            with ring.writer() as writer:
                for n in range(500):
                    writer.write(bytes([number]) + n.to_bytes(4, "little"), timeout=60)

        keep = ring.writer()  # The stream continues until all have read.
        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        got = [[] for _ in readers]
        readings = [
            threading.Thread(target=lambda i=i: got[i].extend(readers[i].read(timeout=60) for _ in range(2000)))
            for i in range(3)
        ]
        for thread in threads + readings:
            thread.start()
        for thread in threads + readings:
            thread.join()
        keep.close()
        assert got[0] == got[1] == got[2] and len(got[0]) == 2000
        for number in range(4):
            own = [int.from_bytes(m[1:], "little") for m in got[0] if m[0] == number]
            assert own == list(range(500))
        for reader in readers:
            reader.close()


def test_threads_that_share_a_reader_get_each_message_once(ring):
    with ring.reader() as reader, ring.writer() as writer:
        got = queue.SimpleQueue()

        def read():
            for message in reader:
                got.put(int.from_bytes(message, "little"))

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        for n in range(1000):
            writer.write(n.to_bytes(4, "little"), timeout=60)
        writer.close()
        for thread in threads:
            thread.join()
        assert sorted(got.get() for _ in range(got.qsize())) == list(range(1000))


def test_a_wait_is_left_when_another_thread_closes_the_reader(ring):
    with ring.writer():
        reader = ring.reader()
        began, errors = threading.Event(), []

        def read():
            began.set()
            try:
                reader.read()
            except ValueError as error:
                errors.append(str(error))

        thread = threading.Thread(target=read)
        thread.start()
        began.wait()
        reader.close()
        thread.join()
        assert errors == ["this reader is closed"] and reader.closed


def test_others_run_while_one_waits(ring):
    with ring.reader() as reader, ring.writer() as writer:
        thread = threading.Thread(target=lambda: writer.write(b"from another thread"))
        timer = threading.Timer(0.05, thread.start)
        timer.start()
        assert reader.read(timeout=60) == b"from another thread"
        timer.join()
        thread.join()
