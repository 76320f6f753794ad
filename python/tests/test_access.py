"""Rings in other directories and without names; what the system offers; descriptors for event loops; `gc`."""

import asyncio
import os
import pickle
import selectors
import signal
import socket
import subprocess
import sys
import threading

import numpy
import process_targets
import pytest
import seqring
from conftest import wait_until_asleep


def test_a_ring_lies_in_the_directory_that_was_asked_for(context, place):
    with seqring.Ring.create(4, 64, name="here", directory=place, observers=True) as ring:
        assert ring.path == f"{place}/here.seqring" and ring.is_named
        with pytest.raises(seqring.RingNotFound):
            seqring.Ring.open("here")
        with seqring.Ring.open("here", directory=place) as other, other.reader() as reader:
            with seqring.Observer.open("here", directory=place) as observer:
                writing = context.Process(target=process_targets.write_once, args=(ring, b"from a child"))
                writing.start()
                assert reader.read(timeout=60) == observer.read(timeout=60) == b"from a child"
                writing.join()
                assert writing.exitcode == 0
        with seqring.Ring.open_or_create("here", 4, 64, directory=place, observers=True) as same:
            assert same.next_sequence == 1
        seqring.Ring.unlink("here", directory=place)
        assert not ring.is_named


def test_a_ring_without_a_name_goes_by_its_descriptor(context):
    with seqring.Ring.create(4, 64, anonymous=True, writers="many") as ring, ring.reader() as reader, ring.writer():
        assert not ring.is_named and ring.capabilities.backend == "memfd"
        with seqring.Ring.from_descriptor(ring.descriptor()) as same, same.writer() as writer:
            writer.write(b"same")
        assert reader.read() == b"same"
        ours, theirs = socket.socketpair()
        with ours, theirs:
            socket.send_fds(ours, [b"ring"], [ring.descriptor()])
            _, [descriptor], _, _ = socket.recv_fds(theirs, 16, 1)
        with seqring.Ring.from_descriptor(descriptor) as same, same.writer() as writer:
            writer.write(b"sent")
        os.close(descriptor)
        assert reader.read() == b"sent"
        child = context.Process(target=process_targets.write_once, args=(ring, b"from a child"))
        child.start()
        assert reader.read(timeout=60) == b"from a child"
        child.join()
        assert child.exitcode == 0
        descriptor = ring.descriptor()
    with pytest.raises(OSError):
        os.fstat(descriptor)
    for bad in (-1, descriptor):
        with pytest.raises(OSError):
            seqring.Ring.from_descriptor(bad)


@pytest.mark.parametrize(
    "options",
    [{"shared": False, "anonymous": True}, {"anonymous": True, "name": "x"}, {"anonymous": True, "directory": "/tmp"}],
)
def test_places_exclude_each_other(options):
    with pytest.raises(ValueError, match="exclude each other"):
        seqring.Ring.create(4, 64, **options)


def test_options_of_the_memory_are_accepted_by_every_call():
    memory = {"huge_pages": True, "lock_memory": True, "numa_node": 0, "core_dump": True}
    with seqring.Ring.create(4, 64, **memory) as ring:
        assert all(isinstance(warning, str) for warning in ring.warnings)
        with seqring.Ring.open(ring.name, **memory), seqring.Ring.open_or_create(ring.name, 4, 64, **memory):
            pass
        with seqring.Ring.from_descriptor(ring.descriptor(), **memory):
            pass
        for call in (lambda: seqring.Ring.open(ring.name, mode=0o600), lambda: seqring.Ring.from_descriptor(0, keep=True)):
            with pytest.raises(TypeError, match="unexpected keyword argument"):
                call()
    with seqring.Ring.create(4, 64, directory="/tmp") as ring:
        assert bool(ring.warnings) == (os.statvfs("/tmp").f_fsid != 0 and is_on_disk("/tmp"))


def is_on_disk(directory):
    kind = subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, text=True).stdout.strip()
    return kind not in ("tmpfs", "ramfs", "hugetlbfs")


def test_capabilities_are_those_of_the_backend():
    kinds = [({}, "file", True, True), ({"shared": False}, "heap", False, False), ({"anonymous": True}, "memfd", True, False)]
    for options, backend, processes, named in kinds:
        with seqring.Ring.create(4, 64, **options) as ring:
            found = ring.capabilities
            assert (found.backend, found.processes, found.named) == (backend, processes, named)
            assert ring.is_named == named


LEFT = """
import os, signal, sys, seqring
ring = seqring.Ring.create(4, 64, name=sys.argv[1], directory=sys.argv[2], keep=sys.argv[3:] == ["keep"])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_gc_removes_what_killed_processes_left(place):
    for name, *keep in (["killed"], ["kept", "keep"]):
        done = subprocess.run([sys.executable, "-c", LEFT, name, place, *keep], timeout=120)
        assert done.returncode == -signal.SIGKILL
    with seqring.Ring.create(4, 64, name="used", directory=place):
        assert seqring.gc(directory=place) == ["killed"]
        assert seqring.gc(directory=place, remove=True) == ["killed"]
        assert seqring.gc(directory=place) == []
        assert seqring.gc(directory=place, kept=True) == ["kept"]
        assert seqring.gc(directory=place, kept=True, remove=True) == ["kept"]
        assert sorted(os.listdir(place)) == ["used.seqring"]


def test_two_readers_are_selected_by_their_descriptors():
    with seqring.Ring.create(4, 64) as one, seqring.Ring.create(4, 64) as two, selectors.DefaultSelector() as selector:
        readers = {ring.reader(): ring for ring in (one, two)}
        for reader in readers:
            assert reader.fileno() == reader.fileno()
            selector.register(reader, selectors.EVENT_READ)

        def write():
            for n in range(20):
                with (one, two)[n % 2].writer() as writer:
                    writer.write(b"%d" % n)

        thread = threading.Thread(target=write)
        seen = []
        thread.start()
        while len(seen) < 20:
            for key, _ in selector.select(timeout=60):
                try:
                    while (message := key.fileobj.try_read()) is not None:
                        seen.append(int(message))
                except seqring.Closed:
                    pass
        thread.join()
        assert sorted(seen) == list(range(20))
        for reader in readers:
            selector.unregister(reader)
            reader.close()


def test_an_event_loop_watches_a_reader():
    async def main(reader):
        loop, seen, end = asyncio.get_running_loop(), [], asyncio.Event()

        def read():
            try:
                while (message := reader.try_read()) is not None:
                    seen.append(message)
            except seqring.Closed:
                end.set()

        loop.add_reader(reader, read)
        await asyncio.wait_for(end.wait(), 60)
        loop.remove_reader(reader)
        return seen

    def write(writer):
        for n in range(10):
            writer.write(b"%d" % n)
        writer.close()

    with seqring.Ring.create(4, 64) as ring, ring.reader() as reader:
        thread = threading.Thread(target=write, args=(ring.writer(),))
        thread.start()
        assert asyncio.run(main(reader)) == [b"%d" % n for n in range(10)]
        thread.join()


def test_reprs_are_short_and_say_where_it_is():
    with seqring.Ring.create(4, 64, name=f"py-{os.getpid()}-repr") as ring, ring.writer() as writer:
        reader = ring.reader()
        of = f'"{ring.name}", 4 slots of 64 bytes, gated'
        writer.write(b"x")
        assert repr(ring) == f"<seqring.Ring {of}: next is 1>"
        assert repr(writer) == f"<seqring.Writer of {of}: next is 1>"
        assert repr(reader) == f"<seqring.Reader of {of}: next is 0, 1 behind>"
        with reader.view() as view:
            assert repr(view) == "<seqring.View (1,) of uint8, sequence 0: a copy>"
        assert repr(view) == "<seqring.View (1,) of uint8, sequence 0: released>"
        reader.close()
        assert repr(reader) == f"<seqring.Reader of {of}: closed>"
    assert repr(ring) == f'<seqring.Ring "{ring.name}": closed>'
    with seqring.Ring.create(4, shape=(2, 3), dtype="f4", delivery="queue") as tasks, tasks.taker() as taker:
        of = f'"{tasks.name}", 4 frames (2, 3) of float32, queue'
        assert repr(taker) == f"<seqring.Taker of {of}: open>"
        with tasks.writer() as writer:
            claim = writer.claim()
            assert repr(claim) == "<seqring.Claim (2, 3) of float32: open, in the ring>"
            assert repr(writer) == f"<seqring.Writer of {of}: in use>"
            claim.abandon()
            del claim
    with seqring.Queue(3) as queue:
        assert repr(queue) == f"<seqring.Queue {queue.name!r}, 3 items, pickle>"
    with seqring.Pipeline([1], lambda message: numpy.zeros(3, "uint8"), shapes=3, start_method="threads") as pipeline:
        assert repr(pipeline).startswith("<seqring.Pipeline of 1 producer, next is 0")
        list(pipeline)
    with seqring.Ring.create(4, 64, observers=True) as ring, seqring.Observer.open(ring.name) as observer:
        assert repr(observer) == f'<seqring.Observer of "{ring.name}", 4 slots of 64 bytes, gated: next is 0, 0 behind>'


def test_a_ring_in_a_directory_pickles_to_it(place):
    with seqring.Ring.create(4, 64, name="pickled", directory=place) as ring:
        with pickle.loads(pickle.dumps(ring)) as same:
            assert same.path == ring.path
