"""The end of a process, and a signal, in the middle of any use."""

import os
import signal
import subprocess
import sys
import threading

import pytest
import seqring
from conftest import names, run, segments_of
from seqring import _seqring

IN_USE = {
    "a claim": "with writer.claim(ring.shape) as frame: began(); time.sleep(3600)",
    "a claim in rounds": """
while True:
    with writer.claim(ring.shape) as frame:
        began()
        frame[:] = 1
    reader.try_read()""",
    "a claim that is private memory": "with lossy.claim(9000) as frame: began(); time.sleep(3600)",
    "a view": "writer.write(frame)\nwith reader.view() as view: began(); time.sleep(3600)",
    "an array of a view": "writer.write(frame)\narray = numpy.asarray(reader.view()); began(); time.sleep(3600)",
    "a taken message": "queue.put(b'x')\nview = taker.view(); began(); time.sleep(3600)",
    "a read": "began(); reader.read()",
    "a loop": "began()\nfor message in reader: pass",
    "a loop that handles errors": """
while True:
    try: began(); reader.read()
    except Exception as error: print(error, file=sys.stderr)""",
    "a loop of views": "began()\nfor view in reader.views(): pass",
    "an asynchronous loop": """
import asyncio
async def loop():
    began()
    async for message in reader.aio(): pass
asyncio.run(loop())""",
    "items of a pipeline": """
def make(message, out): out[0][...] = message
with seqring.Pipeline(iter(int, 1), make, shapes=3, start_method="threads") as pipeline:
    for item in pipeline: began()""",
    "a write": "full.write(b'x'); began(); full.write(b'x')",
    "a wait for words": "began(); ring.words.wait(0, 0)",
    "a join": "queue.put(b'x'); began(); queue.join()",
    "a get": "began(); queue.get()",
    "joins without end": """
while True:
    other = seqring.Ring.create(4, 64)
    kept.append((other, other.writer(), other.reader())); began()
    del kept[:-5]""",
    "an old ring": "old.new_writer(); pointer = old.new_reader(); began(); old.blocking_read(pointer)",
    "a reader that is parked": "parked = reader.park(); began(); time.sleep(3600)",
}

DAEMON = """
import os, sys, threading, time
import numpy, seqring
from seqring.compat import ringbuffer
frame = numpy.ones((64, 64), "uint8")
ring = seqring.Ring.create(4, shape=(64, 64), dtype="uint8", words=2, name=sys.argv[1])
writer, reader = ring.writer(), ring.reader()
lossy_ring = seqring.Ring.create(4, 9000, delivery="lossy")
lossy = lossy_ring.writer()
full_ring = seqring.Ring.create(1, 64)
full, slow = full_ring.writer(), full_ring.reader()
queue = seqring.Queue(4, 64)
queue.put(b"first"); queue.get(); queue.task_done()
taker = seqring.Ring.open(queue.name).taker()
old = ringbuffer.RingBuffer(slot_bytes=8, slot_count=2)
kept, is_in_use = [], threading.Event()
began = is_in_use.set
def use():
    exec(sys.argv[2], globals())
thread = threading.Thread(target=use, daemon=True)
"""


@pytest.mark.parametrize("what", IN_USE)
def test_what_a_daemon_thread_uses_at_the_end_is_left_too(what):
    """Fails if the end of a process closes only the objects that no thread uses, or if a thread prints that
    they are closed."""
    name = f"py-test-{os.getpid()}-ending"
    program = DAEMON + "thread.start(); is_in_use.wait(); print(os.getpid())"
    pid = run(program, name, IN_USE[what])
    assert names(name, f"py-{pid.strip()}-") == []


PYTHON_CODE = {
    "an exception": "try: reader.read(timeout=0)\n    except seqring.TimedOut: pass",
    "an exception of an empty queue": "try: queue.get(timeout=0)\n    except seqring.Empty: pass",
    "statistics": "ring.stats()",
    "a generator": "lossy.write_batch(b'x' for _ in range(1000))",
    "an old ring": "try: old.try_read(pointer)\n    except ringbuffer.WaitingForWriterError: pass",
}

USES_OF_PYTHON_CODE = """
old.new_writer(); pointer = old.new_reader()
def use():
    for n in range(1 << 60):
        if n == 300: began()
        exec(code)
code = compile("if True:\\n    " + sys.argv[2], "use", "exec")
for _ in range(3): threading.Thread(target=use, daemon=True).start()
is_in_use.wait()
"""


@pytest.mark.parametrize("what", PYTHON_CODE)
def test_the_end_may_stop_a_daemon_thread_in_python_code_of_a_call(what):
    """Fails if the stop, which unwinds the thread's stack before Python 3.14, aborts the process."""
    for _ in range(6):
        run(DAEMON + USES_OF_PYTHON_CODE, f"py-test-{os.getpid()}-stopped", PYTHON_CODE[what])


@pytest.mark.parametrize("how", ["raise SystemExit(3)", "raise KeyboardInterrupt", "1 / 0"])
def test_every_end_of_the_interpreter_is_one(how):
    name = f"py-test-{os.getpid()}-how"
    program = DAEMON + "thread.start(); is_in_use.wait()\n" + how
    run(program, name, IN_USE["a claim"], code={"raise SystemExit(3)": 3, "1 / 0": 1}.get(how, -signal.SIGINT))
    assert names(name) == []


WORKER = """
ring = seqring.Ring.open(sys.argv[1])
def work():
    threading.Thread(target=claim, daemon=True).start()
    is_in_use.wait()
is_in_use = threading.Event()
def claim():
    with ring.writer().claim(ring.shape) as frame:
        is_in_use.set()
        time.sleep(3600)
"""


@pytest.mark.parametrize("method", ["the program", "fork", "spawn"])
def test_a_writer_of_a_process_that_ended_has_left(method, tmp_path):
    """Fails if a reader gets the end as a death."""
    head = "import multiprocessing, sys, threading, time\nimport seqring\n"
    if method == "the program":
        main = "work()"
    else:
        main = f"""
if __name__ == "__main__":
    process = multiprocessing.get_context("{method}").Process(target=work)
    process.start(); process.join(); sys.exit(process.exitcode)
"""
    (tmp_path / "program.py").write_text(head + WORKER + main)
    with seqring.Ring.create(2, shape=(9, 9), dtype="uint8", slot_class="arena") as ring, ring.reader() as reader:
        done = subprocess.run([sys.executable, tmp_path / "program.py", ring.name], timeout=120)
        assert done.returncode == 0
        with pytest.raises(seqring.Closed) as ended:
            reader.read(timeout=60)
        assert not isinstance(ended.value, seqring.PeerDied)


def make_rings(ready):
    """Makes rings in a daemon thread until the process ends."""

    def make():
        kept = []
        while True:
            ring = seqring.Ring.create(2, 64)
            kept.append((ring, ring.writer()))
            ready.set()

    threading.Thread(target=make, daemon=True).start()
    ready.wait()


def test_no_ring_is_made_behind_the_end(context):
    """Fails if the end of a process of multiprocessing works through a list that a thread still extends."""
    for _ in range(5):
        ready = context.Event()
        process = context.Process(target=make_rings, args=(ready,))
        process.start()
        process.join(60)
        assert process.exitcode == 0
        assert segments_of(process.pid) == []


def test_a_handler_that_runs_after_the_end_of_rings_leaves_nothing():
    name = f"py-test-{os.getpid()}-late"
    program = """
import atexit, sys
@atexit.register
def last():
    late = seqring.Ring.create(2, 64, name=sys.argv[1])
    kept.extend([late, late.writer()])
import seqring
kept = []
kept.append(kept)
ring = seqring.Ring.create(2, 64)
"""
    run(program, name)
    assert names(name) == []


def test_the_list_of_objects_may_be_extended_while_it_is_read():
    """Fails with `RuntimeError` if a `WeakSet` is iterated over that other threads change."""
    stop = threading.Event()

    class Thing:
        def close(self):
            pass

        _forget = close

    def add():
        while not stop.is_set():
            for thing in [Thing() for _ in range(50)]:
                _seqring.register(thing)

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        _seqring.living()
    stop.set()
    for thread in threads:
        thread.join()


# Signals.

TERMINATED = """
import os, signal, sys, threading, time
import seqring
earlier = sys.argv[2]
if earlier == "a handler":
    signal.signal(signal.SIGTERM, lambda *_: (print("earlier", flush=True), sys.exit(5)))
elif earlier == "ignored":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
seqring.close_at_signal()
ring = seqring.Ring.create(2, 4096, name=sys.argv[1])
reader, writer = ring.reader(), ring.writer()
def claim():
    with writer.claim(9) as room:
        began.set()
        time.sleep(3600)
began = threading.Event()
threading.Thread(target=claim, daemon=True).start()
began.wait()
print("ready", flush=True)
try:
    reader.read()
except ValueError:
    print("closed", flush=True)
    sys.exit(6)
"""


@pytest.mark.parametrize("earlier, code", [("default", -signal.SIGTERM), ("a handler", 5), ("ignored", 6)])
def test_a_program_that_asks_for_it_leaves_its_rings_at_sigterm(earlier, code):
    name = f"py-test-{os.getpid()}-term"
    with subprocess.Popen([sys.executable, "-c", TERMINATED, name, earlier], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        with seqring.Ring.open(name) as ring, ring.reader() as reader:
            process.send_signal(signal.SIGTERM)
            said = process.stdout.read()
            assert process.wait(60) == code
            with pytest.raises(seqring.Closed) as ended:
                reader.read(timeout=60)
            assert not isinstance(ended.value, seqring.PeerDied)
    assert said == {"default": b"", "a handler": b"earlier\n", "ignored": b"closed\n"}[earlier]
    assert names(name) == []


REENTRANT = """
import faulthandler, sys
import seqring
from seqring.compat import ringbuffer
faulthandler.dump_traceback_later(60, exit=True)

class Interrupted:
    '''Calls the same object again, as a signal handler or a finalizer does, before one of its calls.'''
    def __init__(self, inner, at):
        self.inner, self.left = inner, at
    def __getattr__(self, name):
        self.left -= 1
        if self.left == 0:
            again()
        return getattr(self.inner, name)

def again():
    exec(sys.argv[2], globals())

for at in range(1, 40):
    queue = seqring.Queue(4, 64)
    old = ringbuffer.RingBuffer(slot_bytes=64, slot_count=4)
    old.new_writer()
    pointer = old.new_reader()
    old.try_write(b"x"), old.try_write(b"x")
    lock = old.lock
    exec(sys.argv[1], globals())
    again()
"""

INTERRUPTED = {
    "a queue": ("queue._ring = Interrupted(queue._ring, at)", "queue.put(b'x', block=False)"),
    "the first write": ("old._ring = Interrupted(old._ring, at); old._writer = None", "old.try_write(b'x')"),
    "the last writer": ("old._ring = Interrupted(old._ring, at)", "old.new_writer(); old.writer_done()"),
    "the first read": ("pointer._words = Interrupted(pointer._words, at)", "old.try_read(pointer)"),
    "a lock": ("lock._words = Interrupted(lock._words, at)", "with lock.for_read(): pass"),
}


@pytest.mark.parametrize("what", INTERRUPTED)
def test_a_call_in_the_middle_of_the_same_call_is_no_deadlock(what):
    """Fails if a lock that is not reentrant is held while Python code can run."""
    run(REENTRANT, *INTERRUPTED[what])
