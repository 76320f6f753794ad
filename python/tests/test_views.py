"""Zero copy: views, claims, and their lifetimes."""

import ctypes
import gc
import threading

import numpy
import pytest
import seqring
from conftest import wait_until_asleep


@pytest.fixture(params=["arena", "lines"])
def ring(request):
    with seqring.Ring.create(2, shape=(3, 4), dtype="float32", slot_class=request.param) as ring:
        yield ring


def frame(value):
    return numpy.full((3, 4), value, "float32")


def test_a_view_shows_the_rings_frame_read_only(ring):
    with ring.reader() as reader, ring.writer() as writer:
        writer.write(frame(1.5))
        with reader.view() as view:
            assert view.in_place == (ring.slot_class == "arena")
            array = numpy.asarray(view)
            assert array.shape == (3, 4) and array.dtype == "float32" and (array == 1.5).all()
            with pytest.raises(ValueError):
                array[0, 0] = 1
            assert (numpy.from_dlpack(view) == 1.5).all()
            assert memoryview(view).tolist() == frame(1.5).tolist()
            del array


def test_the_message_goes_with_the_last_array_not_with_the_view():
    with seqring.Ring.create(1, 64, slot_class="arena") as ring:
        with ring.reader() as reader, ring.writer() as writer:
            writer.write(b"first")
            with reader.view() as view:
                part = numpy.asarray(view)[1:3]
            assert view.released
            with pytest.raises(ValueError):
                memoryview(view)
            del view
            gc.collect()
            assert writer.try_write(b"second") is None, "an array still shows the message"
            with pytest.raises(seqring.Busy):
                reader.read(timeout=0)
            assert part.tobytes() == b"ir"
            del part
            gc.collect()
            assert writer.try_write(b"second") == 1
            assert reader.read() == b"second"


def test_dlpack_keeps_the_message_too():
    with seqring.Ring.create(1, 64, slot_class="arena") as ring:
        with ring.reader() as reader, ring.writer() as writer:
            writer.write(b"first")
            view = reader.view()
            array = numpy.from_dlpack(view)
            capsule = view.__dlpack__(max_version=(1, 0))
            view.release()
            del capsule
            gc.collect()
            assert writer.try_write(b"second") is None
            del array
            gc.collect()
            assert writer.try_write(b"second") == 1
            with pytest.raises(BufferError):
                reader.view().__dlpack__()


def test_a_view_outlives_its_reader_and_its_ring():
    ring = seqring.Ring.create(2, 4096)
    with ring.writer() as writer:
        reader = ring.reader()
        writer.write(b"still here")
        view = reader.view()
        array = numpy.asarray(view)
        reader.close()
    ring.close()
    del ring, reader, writer
    gc.collect()
    assert array.tobytes() == b"still here"
    view.release()
    del array, view


def test_a_closed_reader_leaves_when_its_view_does():
    with seqring.Ring.create(1, 4096) as ring, ring.writer() as writer:
        reader = ring.reader()
        writer.write(b"x")
        view = reader.view()
        reader.close()
        assert len(ring.stats().of("reader")) == 1
        view.release()
        assert ring.stats().of("reader") == []


def test_references_are_given_back():
    import sys

    with seqring.Ring.create(2, 4096) as ring, ring.reader() as reader, ring.writer() as writer:
        before = sys.getrefcount(reader), sys.getrefcount(writer)
        for _ in range(100):
            with writer.claim((8,), "uint8") as array:
                array[:] = 1
            with reader.view() as view:
                numpy.asarray(view)
            del array, view
        gc.collect()
        assert (sys.getrefcount(reader), sys.getrefcount(writer)) == before


def test_a_claim_is_published_at_its_end_and_read_only_then(ring):
    with ring.reader() as reader, ring.writer() as writer:
        with writer.claim((3, 4)) as array:
            assert array.dtype == "float32"
            array[...] = 7
        assert numpy.frombuffer(reader.read(), "float32").tolist() == [7.0] * 12
        with pytest.raises(ValueError):
            array[0, 0] = 1


def test_a_claim_is_abandoned_after_an_exception(ring):
    with ring.reader() as reader, ring.writer() as writer:
        with pytest.raises(ZeroDivisionError), writer.claim((3, 4)):
            1 / 0
        assert reader.try_read() is None
        with writer.claim((3, 4)) as array:
            array[...] = 2
        assert reader.try_read() is not None


@pytest.mark.parametrize("options", [{}, {"delivery": "lossy"}, {"writers": "many"}, {"delivery": "queue"}])
def test_claims_of_bytes_work_in_every_ring(options):
    with seqring.Ring.create(2, 4096, meta_bytes=8, **options) as ring, ring.writer() as writer:
        source = ring.taker() if options.get("delivery") == "queue" else ring.reader()
        with writer.claim(5, meta=b"m") as room:
            room[:] = b"hello"
        with pytest.raises(ValueError):
            room[0] = 1
        with source.view() as view:
            assert view.tobytes() == b"hello" and view.meta == b"m"
        source.close()


def test_nothing_is_published_that_may_still_be_written_to():
    with seqring.Ring.create(2, 4096) as ring, ring.reader() as reader, ring.writer() as writer:
        with pytest.raises(BufferError, match="still in use"):
            with writer.claim(5) as room:
                other = numpy.asarray(room)
        assert reader.try_read() is None
        del other, room
        writer.write(b"next")
        assert reader.read() == b"next"


@pytest.mark.parametrize("way", ["published", "after an exception", "an array's second", "without with", "abandoned"])
def test_a_message_is_not_changed_through_a_buffer_of_a_claim_before(way):
    """Fails if the writer is reused while its only buffer, the claim's, can still be written to."""
    with seqring.Ring.create(2, 4096) as ring, ring.reader() as reader, ring.writer() as writer:
        if way in ("published", "after an exception"):
            with pytest.raises(BufferError if way == "published" else ZeroDivisionError):
                with writer.claim(5) as room:
                    other = numpy.asarray(room)
                    if way != "published":
                        1 / 0
        elif way == "an array's second":
            claim = writer.claim((5,), "uint8")
            with pytest.raises(BufferError, match="still in use"):
                with claim as room:
                    other = numpy.asarray(claim)
        else:
            claim = writer.claim((5,), "uint8")
            other = numpy.asarray(claim)
            if way == "abandoned":
                claim.abandon()
            else:
                with pytest.raises(BufferError, match="still in use"):
                    claim.publish()
            with pytest.raises(BufferError):
                memoryview(claim)
            with pytest.raises(ValueError, match="abandoned"):
                claim.publish()
        assert reader.try_read() is None
        other[0] = 88
        for call in (lambda: writer.write(b"next!"), lambda: writer.claim(5)):
            with pytest.raises(seqring.Busy):
                call()
        other[0] = 89
        room = None
        del other
        gc.collect()
        writer.write(b"next!")
        assert reader.read() == b"next!"


@pytest.mark.parametrize("options", [{}, {"observers": True}, {"delivery": "queue"}])
@pytest.mark.parametrize("shape", [3, (3,)])
def test_a_claim_whose_room_another_writer_took_stays_open_after_a_timeout(options, shape):
    with seqring.Ring.create(1, 4096, **{"writers": "many", **options}) as ring, ring.writer() as one, ring.writer() as two:
        with ring.taker() if "delivery" in options else ring.reader() as receiver:
            claim = one.claim(shape, timeout=60)
            claim.__enter__()[:] = memoryview(b"one")
            two.write(b"two")
            for _ in range(2):
                with pytest.raises(seqring.TimedOut, match="waiting for the (reader|taker)"):
                    claim.publish(timeout=0)
            assert "open" in repr(claim) and next(receiver) == b"two"
            assert (claim.publish(timeout=60), next(receiver)) == (1, b"one")

            with pytest.raises(seqring.TimedOut):
                with one.claim(shape, timeout=0) as room:
                    room[:] = memoryview(b"new")
                    two.write(b"two")
            assert next(receiver) == b"two", "the end of the block abandons the claim"
            one.write(b"one")
            assert next(receiver) == b"one"


def test_a_writer_closed_while_a_claim_is_in_use_leaves_with_its_last_buffer():
    with seqring.Ring.create(2, 4096) as ring:
        writer = ring.writer()
        claim = writer.claim(5)
        other = memoryview(claim)
        claim.abandon()
        writer.close()
        assert len(ring.stats().of("writer")) == 1
        other.release()
        assert ring.stats().of("writer") == []


def test_an_array_kept_after_an_abandoned_claim_keeps_no_writer(ring):
    """A read-only array may outlive the publication."""
    with ring.reader() as reader, ring.writer() as writer:
        with pytest.raises(ZeroDivisionError):
            with writer.claim((3, 4)) as array:
                1 / 0
        with pytest.raises(ValueError):
            array[0, 0] = 1
        writer.write(frame(2))
        assert (reader.read() == frame(2)).all()


@pytest.mark.parametrize("bad", [-1, (-1,), (3, -2), 1 << 70, (1 << 70,)])
def test_a_claim_of_what_cannot_be_is_refused(bad):
    with seqring.Ring.create(2, 64) as ring, ring.writer() as writer:
        with pytest.raises(ValueError, match="extents"):
            writer.claim(bad)
        with pytest.raises(ValueError, match="extents"):
            writer.claim(bad, "uint8")
        with pytest.raises(TypeError):
            writer.claim("text", "uint8")


def buffer_of(thing, flags):
    """Whether the object exports a buffer of that kind."""
    view = ctypes.create_string_buffer(256)  # A `Py_buffer` fits.
    try:
        ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(thing), view, flags)
    except BufferError:
        return False
    ctypes.pythonapi.PyBuffer_Release(view)
    return True


def test_buffers_in_another_order_are_refused(ring):
    c, f, either = 0x38, 0x58, 0x98  # PyBUF_C_CONTIGUOUS, PyBUF_F_CONTIGUOUS, PyBUF_ANY_CONTIGUOUS.
    with ring.reader() as reader, ring.writer() as writer:
        claim = writer.claim((3, 4))
        assert [buffer_of(claim, flags) for flags in (c, f, either, f | either, f | c)] == [1, 0, 1, 1, 1]
        claim.abandon()
        writer.write(frame(1))
        with reader.view() as view:
            assert [buffer_of(view, flags) for flags in (c, f, either, f | either, f | c)] == [1, 0, 1, 1, 1]
    for shape in ((), (5,), (1, 5, 1)):
        with seqring.Ring.create(2, shape=shape, dtype="uint8") as plain, plain.writer() as writer:
            assert buffer_of(writer.claim(shape), f), "every order is the same"


def test_one_claim_at_a_time_and_other_calls_are_reported():
    with seqring.Ring.create(2, 4096) as ring, ring.writer() as writer:
        claim = writer.claim(5)
        with pytest.raises(seqring.Busy):
            writer.write(b"x")
        claim.abandon()
        with pytest.raises(ValueError):
            claim.publish()
        assert writer.write(b"x") == 0
        del claim
        writer.claim(5)  # The claim is dropped at once, and the writer returns.
        gc.collect()
        assert writer.write(b"x") == 1


def test_a_claim_whose_room_others_took_is_published_as_it_is_and_only_once():
    """Fails if the writer can be used while the claim waits: its buffer would be overwritten."""
    with seqring.Ring.create(1, 4096, writers="many") as ring, ring.reader() as reader, ring.writer() as other:
        with ring.writer() as writer:
            claim = writer.claim(5)
            memoryview(claim)[:] = b"mine!"
            other.write(b"quicker")
            thread = threading.Thread(target=claim.publish, daemon=True)
            thread.start()
            wait_until_asleep(ring, "writer")
            for _ in range(3):
                with pytest.raises(seqring.Busy):
                    writer.write(b"theirs", timeout=0.2)
            assert reader.read() == b"quicker"
            assert reader.read(timeout=60) == b"mine!"
            thread.join()
            assert writer.write(b"next") == 2


def test_a_claims_timeout_bounds_its_publication_too():
    with seqring.Ring.create(1, 4096, writers="many") as ring, ring.reader() as reader, ring.writer() as other:
        with ring.writer() as writer:
            claim = writer.claim(5, timeout=0.05)
            other.write(b"quicker")
            relief = threading.Timer(30, reader.read)  # Otherwise it would wait without end.
            relief.start()
            with pytest.raises(seqring.TimedOut) as caught:
                claim.publish()
            relief.cancel()
            assert caught.value.role == "reader"
            claim.abandon()
            assert reader.read() == b"quicker" and writer.write(b"next") == 1


def test_what_is_no_frame_of_the_ring_is_refused(ring):
    with ring.writer() as writer:
        for bad in (b"short", frame(1).T, frame(1).astype("float64"), frame(1).view("int32"), frame(1).ravel()):
            with pytest.raises(seqring.FrameMismatch, match="float32"):
                writer.write(bad)
        with pytest.raises(seqring.FrameMismatch):
            writer.claim((4, 3))
        with pytest.raises(seqring.FrameMismatch):
            writer.claim((3, 4), "int32")
        writer.write(frame(1).tobytes())


def test_a_lossy_view_is_a_copy_that_stays():
    with seqring.Ring.create(2, 4096, delivery="lossy") as ring, ring.reader() as reader, ring.writer() as writer:
        writer.write(b"first")
        with reader.view() as view:
            assert not view.in_place
            for _ in range(5):
                writer.write(b"later")
            assert view.tobytes() == b"first"
