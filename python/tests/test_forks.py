"""A fork, in the middle of any use."""

import multiprocessing
import os
import select
import signal
import threading

import pytest
import seqring
from conftest import names, run
from seqring import _lifetime


def test_after_a_fork_the_lock_is_free_except_for_the_thread_that_holds_it():
    lock = _lifetime.lock
    held, done = threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    pid = os.fork()
    if pid == 0:
        with lock:
            os._exit(7)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    with lock:
        pid = os.fork()
        if pid == 0:
            with lock:
                pass
            lock.__exit__()
            os._exit(8)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 8


DAEMONIZED = """
import os, select, sys
import seqring
ring = seqring.Ring.create(8, 64, name=sys.argv[1])
if "unlink" in sys.argv:
    seqring.Ring.unlink(sys.argv[1])
parent = os.pidfd_open(os.getpid())
for _ in range(int(sys.argv[2])):
    if os.fork():
        sys.exit(0)
    select.select([parent], [], [])  # Until the parent has ended, in the regular way.
    parent = os.pidfd_open(os.getpid())
if "unused" not in sys.argv:
    writer = ring.writer()
    writer.write(b"here")
    print(os.path.exists(f"/dev/shm/{sys.argv[1]}.seqring"), flush=True)
    ring.reader("oldest").read()
"""


@pytest.mark.parametrize("forks", ["1", "2"])
@pytest.mark.parametrize("option", ["named", "unlink", "unused"])
def test_a_child_has_its_parents_ring_also_after_the_parents_end(forks, option):
    """Fails if a child has no hold on an inherited ring before its first use."""
    name = f"py-test-{os.getpid()}-daemon"
    said = run(DAEMONIZED, name, forks, option)  # Ends with the last process that has its output.
    assert said == {"named": "True\n", "unlink": "False\n", "unused": ""}[option]
    assert names(name) == []


def test_a_process_of_multiprocessing_that_ends_last_removes_an_unused_ring():
    context = multiprocessing.get_context("fork")
    ring = seqring.Ring.create(2, 64)
    go_on, name = context.Event(), ring.name
    process = context.Process(target=go_on.wait)
    process.start()
    ring.close()
    assert name in "".join(names(name)), "the child has it"
    go_on.set()
    process.join(60)
    assert process.exitcode == 0 and names(name) == []


def test_a_fork_leaves_no_descriptor_with_the_parent():
    with seqring.Ring.create(2, 64):
        before = len(os.listdir("/proc/self/fd"))
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("way", ["a claim", "an abandoned claim", "a view", "a parked reader", "all of them"])
def test_a_child_that_ends_inside_what_its_parent_has_keeps_its_own_exit_code(way):
    """Fails if leaving what the parent has raises in the child."""
    with seqring.Ring.create(4, shape=(10, 10), dtype="uint8") as ring, ring.writer() as writer:
        reader, other = ring.reader(), ring.reader()
        writer.write(bytes(100))
        claim, view, parked = writer.claim(ring.shape), reader.view(), other.park()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                if way in ("a claim", "all of them"):
                    claim.__exit__(SystemExit)
                    claim.__exit__(None)
                if way in ("an abandoned claim", "all of them"):
                    claim.abandon()
                if way in ("a view", "all of them"):
                    view.__exit__()
                if way in ("a parked reader", "all of them"):
                    parked.close()
                code = 7
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        with claim as frame:
            frame[...] = 3
        view.release()
        resumed = ring.resume(parked.ticket)
        assert [int(resumed.read().max()), int(resumed.read().min())] == [0, 3]
        reader.close(), resumed.close(), parked.close()


@pytest.mark.parametrize("place", ["a claim", "a view", "a queue", "a lock"])
def test_a_process_may_fork_inside_any_block(place):
    blocks = {
        "a claim": "writer.claim(ring.shape)",
        "a view": "reader.view()",
        "a queue": "seqring.Queue(2, 64)",
        "a lock": "ringbuffer.ReadersWriterLock().for_write()",
    }
    run(f"""
import os, sys, seqring
from seqring.compat import ringbuffer
ring = seqring.Ring.create(4, shape=(10, 10), dtype="uint8")
writer, reader = ring.writer(), ring.reader()
writer.write(bytes(100))
with {blocks[place]}:
    if os.fork() == 0:
        sys.exit(7)
    code = os.waitstatus_to_exitcode(os.wait()[1])
sys.exit(0 if code == 7 else 1)
""")


# Parked readers.


def in_child(work):
    """Forks; returns the pid of the child, which ends with what `work` returns, or with 99."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return pid


def code_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("leaves", [True, False])
def test_a_child_resumes_what_its_parent_parked(leaves):
    with seqring.Ring.create(4, 64) as ring, ring.writer() as writer:
        parked = ring.reader().park()

        def resume():
            reader = ring.resume(parked.ticket)
            reader.read()
            if leaves:
                reader.close()
            return 7

        writer.write(b"one")
        assert code_of(in_child(resume)) == 7
        with pytest.raises(seqring.RegisterError):
            ring.resume(parked.ticket)
        for _ in range(5):
            writer.write(b"the child's reader ended with it", timeout=60)
        parked.close()


def test_a_child_and_its_end_leave_what_its_parent_parked():
    with seqring.Ring.create(4, 64) as ring, ring.writer() as writer:
        parked = ring.reader().park()
        writer.write(b"one")
        assert code_of(in_child(lambda: len(ring.stats().of("reader")))) == 1
        with ring.resume(parked.ticket) as reader:
            assert reader.read() == b"one"
        parked.close()


def test_a_parked_reader_ends_with_its_process_though_a_child_lives():
    """Fails if a child keeps the lock that shows that the parking process lives."""
    with seqring.Ring.create(2, 64) as ring, ring.writer() as writer:
        (go_on, goes_on), (pids, pid) = os.pipe(), os.pipe()

        def park():
            parked = ring.reader().park()
            assert parked.ticket

            def stay():
                os.close(goes_on)
                os.write(pid, str(os.getpid()).encode())
                return len(os.read(go_on, 1))

            in_child(stay)
            os.kill(os.getpid(), signal.SIGKILL)

        assert code_of(in_child(park)) == -signal.SIGKILL
        for _ in range(5):
            writer.write(b"no reader is left", timeout=60)
        child = os.pidfd_open(int(os.read(pids, 20)))
        os.close(goes_on)
        select.select([child], [], [])  # Until it has ended: then this process is the last user.
        for descriptor in (go_on, pids, pid, child):
            os.close(descriptor)
