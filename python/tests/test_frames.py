"""Rings of frames: reads give arrays, views have shape and type, and errors name both shapes."""

import asyncio
import subprocess
import sys

import numpy
import pytest
import seqring

NUMBERS = numpy.arange(6, dtype="int32").reshape(2, 3)
SOURCES = [({}, "reader"), ({"delivery": "lossy"}, "reader"), ({"delivery": "queue"}, "taker"), ({"observers": True}, "observer")]


def inbox_of(ring, source, **options):
    if source == "observer":
        return seqring.Observer.open(ring.name, **options)
    return getattr(ring, source)(**options)


def calls_of(inbox, source):
    """Every call that receives one message, and then some."""
    verb = "take" if source == "taker" else "read"
    try_one, one, batch = (getattr(inbox, name) for name in (f"try_{verb}", verb, f"{verb}_batch"))
    return [try_one, one, lambda: one(timeout=60), lambda: next(inbox), lambda: batch(1)[0]]


@pytest.mark.parametrize("options, source", SOURCES, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("as_bytes", [False, True])
def test_every_read_of_a_ring_of_frames_gives_a_frame(options, source, as_bytes):
    with seqring.Ring.create(8, shape=(2, 3), dtype="int32", **options) as ring, ring.writer() as writer:
        with inbox_of(ring, source, as_bytes=as_bytes) as inbox:
            calls = calls_of(inbox, source)
            assert calls[0]() is None
            for _ in calls:
                writer.write(NUMBERS)
            for message in [call() for call in calls]:
                if as_bytes:
                    assert message == bytearray(NUMBERS.tobytes()) and type(message) is bytearray
                else:
                    assert message.dtype == "int32" and (message == NUMBERS).all()
                    message[...] = 0  # Its own.


@pytest.mark.parametrize("options, source", SOURCES, ids=lambda value: value if isinstance(value, str) else "")
def test_every_read_of_a_ring_of_bytes_gives_a_bytearray(options, source):
    with seqring.Ring.create(8, 64, **options) as ring, ring.writer() as writer:
        with inbox_of(ring, source) as inbox:
            calls = calls_of(inbox, source)
            for _ in calls:
                writer.write(b"bytes")
            for message in [call() for call in calls]:
                assert type(message) is bytearray and message == b"bytes"


@pytest.mark.parametrize("shape, dtype", [((), "float64"), (3, "uint8"), ((2, 2), "bool"), ((4,), "complex64")])
def test_frames_of_any_shape_are_read_as_written(shape, dtype):
    with seqring.Ring.create(2, shape=shape, dtype=dtype) as ring, ring.reader() as reader, ring.writer() as writer:
        frame = numpy.ones(shape, dtype)
        writer.write(frame)
        read = reader.read()
        assert (read.shape, read.dtype) == (frame.shape, frame.dtype) == (ring.shape, numpy.dtype(ring.dtype))
        assert (read == frame).all()


def test_asyncio_gives_frames_and_views():
    async def main(ring):
        with ring.reader() as copies, ring.reader() as views:
            with ring.writer() as writer:
                for n in range(3):
                    writer.write(NUMBERS + n)
            assert [frame[0, 1] async for frame in copies.aio()] == [1, 2, 3]
            assert [view[0, 1] async for view in views.views()] == [1, 2, 3]

    with seqring.Ring.create(4, shape=(2, 3), dtype="int32") as ring:
        asyncio.run(main(ring))


@pytest.mark.parametrize("slot_class", ["arena", "lines"])
@pytest.mark.parametrize("delivery", ["gated", "queue"])
def test_views_release_each_before_the_next(slot_class, delivery):
    """Fails with `Busy` if the last view is not released, and with a full ring if it keeps its message."""
    options = {"delivery": delivery} if delivery == "queue" else {"delivery": delivery, "slot_class": slot_class}
    with seqring.Ring.create(1, shape=(2, 3), dtype="int32", **options) as ring:
        inbox, writer = ring.taker() if delivery == "queue" else ring.reader(), ring.writer()
        writer.write(NUMBERS)
        seen = []
        for view in inbox.views():
            seen.append(int(view[1, 2]))
            if len(seen) < 5:
                view.release()
                writer.write(NUMBERS + len(seen))
            else:
                writer.close()
        assert seen == [5, 6, 7, 8, 9]
        inbox.close()


def test_the_last_view_is_released_at_the_end_of_the_loop():
    with seqring.Ring.create(1, shape=(3,), dtype="uint8", slot_class="arena") as ring:
        with ring.reader() as reader, ring.writer() as writer:
            writer.write(b"abc")
            for view in reader.views():
                break
            assert view.released
            assert writer.try_write(b"def") == 1


def test_a_view_that_an_array_keeps_is_an_error_that_says_so():
    with seqring.Ring.create(4, shape=(3,), dtype="uint8", slot_class="arena") as ring:
        with ring.reader() as reader, ring.writer() as writer:
            writer.write(b"abc"), writer.write(b"def")
            views = reader.views()
            array = numpy.asarray(next(views))
            with pytest.raises(seqring.Busy, match="arrays made from it"):
                next(views)
            del array
            assert bytes(next(views)) == b"def"


def test_a_view_indexes_as_an_array_or_as_bytes():
    with seqring.Ring.create(4, shape=(2, 3), dtype="int32") as frames, frames.reader() as reader, frames.writer() as writer:
        writer.write(NUMBERS)
        with reader.view() as view:
            assert (view.shape, view.dtype, len(view)) == ((2, 3), "int32", 2)
            assert view[1, 2] == 5 and view[1].tolist() == [3, 4, 5] and view[:, 0].tolist() == [0, 3]
            with pytest.raises(IndexError):
                view[2]
    with seqring.Ring.create(4, 64) as ring, ring.reader() as reader, ring.writer() as writer:
        writer.write(b"bytes")
        with reader.view() as view:
            assert (view.shape, view.dtype, len(view)) == ((5,), "uint8", 5)
            assert view[0] == ord("b") and bytes(view[1:3]) == b"yt"
        with pytest.raises((ValueError, BufferError)):
            view[0]


def test_a_claim_has_the_shape_of_the_ring():
    with seqring.Ring.create(4, shape=(2, 3), dtype="<i4") as ring, ring.reader() as reader, ring.writer() as writer:
        with writer.claim() as frame:
            frame[...] = NUMBERS
        claim = writer.claim()
        assert (claim.shape, claim.dtype, claim.nbytes) == ((2, 3), "int32", 24)
        claim.abandon()
        assert (reader.read() == NUMBERS).all()
    with seqring.Ring.create(4, 64) as ring, ring.writer() as writer:
        with pytest.raises(TypeError, match="^shape: this ring has no frames"):
            writer.claim()


@pytest.mark.parametrize(
    "data, found",
    [
        (numpy.zeros((3, 2), "int32"), r"\(3, 2\) of int32"),
        (numpy.zeros((2, 3, 1), "int32"), r"\(2, 3, 1\) of int32"),
        (numpy.zeros((2, 4), "int32"), r"\(2, 4\) of int32"),
        (numpy.zeros(9, "float64"), r"\(9,\) of float64"),
        (numpy.zeros((2, 3), "float32"), r"\(2, 3\) of float32"),
        (bytes(36), "36 bytes"),
    ],
)
def test_data_of_another_shape_are_refused_with_both_shapes(data, found):
    with seqring.Ring.create(4, shape=(2, 3), dtype="int32") as ring, ring.reader() as reader, ring.writer() as writer:
        for write in (writer.write, writer.try_write, lambda data: writer.write_batch([NUMBERS, data])):
            with pytest.raises(seqring.FrameMismatch, match=rf"^data: the ring's frames are \(2, 3\) of int32, not {found}$"):
                write(data)
        with pytest.raises(seqring.FrameMismatch, match=r"\(2, 3\) of int32, not \(3, 2\) of int32"):
            writer.claim((3, 2))
        assert reader.try_read() is None


def test_arguments_of_shape_and_dtype_are_named():
    for bad in ("2x3", None, 1.5, [1, "x"], object()):
        with pytest.raises((TypeError, ValueError), match="shape"):
            seqring.Ring.create(2, shape=bad, dtype="uint8")
    with pytest.raises(ValueError, match="dtype must be one of .* for structures use dtype=\"uint8\""):
        seqring.Ring.create(2, shape=3, dtype=[("x", "f4"), ("y", "f4")])
    with pytest.raises(ValueError, match="byte order"):
        seqring.Ring.create(2, shape=3, dtype=">f4" if sys.byteorder == "little" else "<f4")
    with pytest.raises(ValueError, match="writers must be .*one.* not .*4"):
        seqring.Ring.create(2, 64, writers=4)


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
import seqring
with seqring.Ring.create(4, shape=(2, 3), dtype="uint8") as ring, ring.reader() as reader, ring.writer() as writer:
    for _ in range(3):
        writer.write(b"abcdef")
    for read in (reader.read, reader.try_read, lambda: reader.read_batch(3), lambda: next(reader)):
        try:
            read()
        except ImportError as error:
            print(error)
    with ring.reader("oldest", as_bytes=True) as plain:
        print(plain.read())
    out = bytearray(6)
    print(reader.read_into(out), out)
    with reader.view() as view:
        print(memoryview(view).tolist())
    print(reader.lag)
"""


def test_without_numpy_a_read_of_a_frame_says_what_to_do_and_loses_nothing():
    done = subprocess.run([sys.executable, "-c", WITHOUT_NUMPY], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    text = "arrays of uint8 need numpy: install it, or receive bytes (as_bytes=True)"
    said = done.stdout.splitlines()
    assert said[:4] == [text] * 4
    assert said[4:] == ["bytearray(b'abcdef')", "6 bytearray(b'abcdef')", "[[97, 98, 99], [100, 101, 102]]", "1"]
