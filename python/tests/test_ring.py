"""`Ring`: names, parked readers, words, and refused configurations."""

import os
import pickle

import pytest
import seqring
from test_messages import ring  # noqa: F401


def test_a_parked_reader_is_taken_up_where_it_was(ring):
    with ring.writer() as writer:
        reader = ring.reader()
        writer.write(b"one")
        parked = reader.park()
        assert reader.closed
        writer.write(b"two")
        with ring.resume(parked.ticket) as resumed:
            assert resumed.read_batch(9) == [b"one", b"two"]
            with pytest.raises(seqring.RegisterError):
                ring.resume(parked.ticket)


def test_names_are_found_refused_and_removed():
    name = f"py-{os.getpid()}-named"
    with seqring.Ring.create(2, 8, name=name) as ring:
        with pytest.raises(seqring.RingExists) as caught:
            seqring.Ring.create(2, 8, name=name)
        assert isinstance(caught.value, FileExistsError)
        with seqring.Ring.open(name) as other:
            assert (other.slots, other.slot_bytes, other.path) == (2, 8, ring.path)
    with pytest.raises(seqring.RingNotFound) as caught:
        seqring.Ring.open(name)
    assert isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize(
    "bad",
    [
        {"slots": 0, "slot_bytes": 8},
        {"slots": 1},
        {"slots": 1, "slot_bytes": 8, "delivery": "sometimes"},
        {"slots": 1, "slot_bytes": 8, "name": "a/b"},
        {"slots": 1, "shape": (2,), "dtype": "float12"},
        {"slots": 1, "slot_bytes": 3, "shape": (2,), "dtype": "int16"},
        {"slots": 1, "slot_bytes": 8, "shape": (2,)},
    ],
)
def test_a_ring_that_cannot_be_is_refused(bad):
    with pytest.raises(ValueError):
        seqring.Ring.create(**bad)


def test_a_ring_that_does_not_fit_is_refused_with_the_sizes():
    with pytest.raises(seqring.NoSpace, match="bytes"):
        seqring.Ring.create(1 << 20, 1 << 30)


def test_errors_pickle_with_what_they_carry():
    error = pickle.loads(pickle.dumps(seqring.TimedOut("room", "reader", 5, 9)))
    assert (error.role, error.pid, error.lag) == ("reader", 5, 9)
    assert pickle.loads(pickle.dumps(seqring.Lagged(3))).lost == 3


def test_words_are_shared_and_bounded():
    with seqring.Ring.create(1, 8, words=4) as ring, seqring.Ring.open(ring.name) as other:
        ring.words.write(1, b"0123456789")
        assert other.words.read(1, 10) == b"0123456789"
        assert ring.words.add(3, -1) == 0 and other.words.load(3) == 2**64 - 1
        assert not ring.words.exchange(3, 5, 6) and ring.words.exchange(3, 2**64 - 1, 7)
        assert other.words.load(3) == 7
        for bad in (lambda: ring.words.load(4), lambda: ring.words.read(3, 9), lambda: ring.words.write(4, b"x")):
            with pytest.raises(IndexError):
                bad()
