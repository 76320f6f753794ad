"""Functions that other processes run in the tests."""

import concurrent.futures
import os
import signal
import threading
import time

import numpy
import seqring


def write_numbers(ring, count):
    with ring.writer() as writer:
        for n in range(count):
            writer.write(n.to_bytes(8, "little"), timeout=60)


def sum_numbers(ring, results, start="oldest"):
    with ring.reader(start) as reader:
        results.put(sum(int.from_bytes(message, "little") for message in reader))


def echo(there, back, count):
    with there.reader() as reader, back.writer() as writer:
        for _ in range(count):
            writer.write(reader.read(timeout=60), timeout=60)


def send_frames(ring, count):
    with ring.writer() as writer:
        for n in range(count):
            with writer.claim(ring.shape, timeout=60) as frame:
                frame[...] = n


def take_all(queue_ring, results):
    with queue_ring.taker() as taker:
        taken = [int.from_bytes(message, "little") for message in taker]
    results.put(taken)


def serve_squares(calls):
    with calls.server() as server:
        for question in server:
            server.answer((int.from_bytes(question, "little") ** 2).to_bytes(8, "little"))


def take_question(calls, ready):
    with calls.server() as server:
        server.take(timeout=60)
        ready.set()
        time.sleep(600)


def put_items(queue, first, count):
    for n in range(first, first + count):
        queue.put(n.to_bytes(8, "little"), timeout=60)


def get_items(queue, count, results):
    results.put([int.from_bytes(queue.get(timeout=60), "little") for _ in range(count)])


def hang_with(make, ready):
    """Makes an endpoint of a ring, reports it, and then sleeps."""
    kept = make()
    ready.set()
    while kept is not None:
        time.sleep(60)


def hold_view(ring, ready):
    reader = ring.reader("oldest")
    view = reader.view(timeout=60)
    array = numpy.asarray(view)
    ready.set()
    while array is not None:
        time.sleep(60)


def block_in_read(ring, ready):
    reader = ring.reader()
    ready.set()
    reader.read()


def use_inherited(reader, results):
    """Uses its parent's objects in a forked child."""
    try:
        reader.read(timeout=1)
    except seqring.Forked as error:
        results.put(str(error))


# For compat.


def compat_writer(ring, first, count):
    for n in range(first, first + count):
        ring.blocking_write(n.to_bytes(8, "little"), timeout=60)
    ring.writer_done()


def compat_reader(ring, pointer, results):
    from seqring.compat import ringbuffer

    numbers = []
    try:
        while True:
            numbers.append(int.from_bytes(ring.blocking_read(pointer, timeout=60), "little"))
    except ringbuffer.WriterFinishedError:
        results.put(numbers)
    except ringbuffer.Error as error:
        results.put(error)


def compat_blocked_reader(ring, pointer, ready):
    ready.set()
    while True:
        ring.blocking_read(pointer)


def compat_write_and_die(ring, count):
    for n in range(count):
        ring.try_write(n.to_bytes(8, "little"))
    os.kill(os.getpid(), signal.SIGKILL)


def compat_write_in_threads(ring, count, done, ready):
    """Writes once by each of `threads` threads, of which `done` call `writer_done`, and then
    sleeps."""
    written = [threading.Event() for _ in range(count)]
    all_written, are_done = threading.Event(), threading.Barrier(count + 1)

    def write(number):
        ring.blocking_write(number.to_bytes(8, "little"))
        written[number].set()
        all_written.wait()
        if number < done:
            ring.writer_done()
        are_done.wait()
        time.sleep(3600)

    for number in range(count):  # In this order.
        threading.Thread(target=write, args=(number,), daemon=True).start()
        written[number].wait()
    all_written.set()
    are_done.wait()
    ready.set()
    time.sleep(3600)


def compat_write_by_a_pool(ring, count):
    """One writer that uses several threads."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        barrier = threading.Barrier(count)

        def write(number):
            barrier.wait()
            ring.blocking_write(number.to_bytes(8, "little"))

        list(pool.map(write, range(count)))
        ring.writer_done()


def compat_write_and_end(ring, count):
    for n in range(count):
        ring.blocking_write(n.to_bytes(8, "little"))


def compat_be_done(ring):
    ring.writer_done()


def compat_hold_lock(lock, ready, for_write):
    with lock.for_write() if for_write else lock.for_read():
        ready.set()
        time.sleep(3600)


def compat_count(lock, count, times):
    for _ in range(times):
        with lock.for_read():
            count.counter.value
        with lock.for_write():
            count.counter.value = count.counter.value + 1


class DyingAt:
    """Words that kill the process before or after an exchange of one of them."""

    def __init__(self, words, index, after):
        self.words, self.index, self.after = words, index, after

    def __getattr__(self, name):
        return getattr(self.words, name)

    def exchange(self, index, old, new):
        done = self.words.exchange(index, old, new) if index != self.index or self.after else True
        if index == self.index and done:
            os.kill(os.getpid(), signal.SIGKILL)
        return done


class PausingAt:
    """Words that wait before a store of one of them."""

    def __init__(self, words, index, reached, go_on):
        self.words, self.index, self.reached, self.go_on = words, index, reached, go_on

    def __getattr__(self, name):
        return getattr(self.words, name)

    def store(self, index, value):
        if index == self.index:
            self.reached.set()
            self.go_on.wait()
        self.words.store(index, value)


def compat_enter_slowly(ring, index, reached, go_on):
    """Becomes a writer, and waits before it stores that word."""
    ring.active._words = PausingAt(ring.active._words, index, reached, go_on)
    ring.blocking_write(b"slow")


def compat_die_in_lock(lock, index, after, for_write):
    """Dies while it acquires the lock, at the exchange of that word."""
    lock._words = DyingAt(lock._words, index, after)
    with lock.for_write() if for_write else lock.for_read():
        pass


def compat_wait_for_write(lock, ready, results):
    with lock.for_read():
        ready.set()
        lock.wait_for_write()
        results.put("written")


def compat_increment(pointer, times):
    for _ in range(times):
        pointer.increment()


def compat_new_reader(ring, results):
    from seqring.compat import ringbuffer

    try:
        ring.new_reader()
        results.put("made")
    except ringbuffer.MustCreatedReadersBeforeWritingError:
        results.put("refused")


def do_tasks(queue, count):
    for _ in range(count):
        queue.get(timeout=60)
        queue.task_done()


def hold_taken(ring, ready):
    taker = ring.taker()
    view = taker.view(timeout=60)
    ready.set()
    while view is not None:
        time.sleep(60)


def notify(ring):
    ring.words.store(1, 5)
    ring.words.notify(0)


def write_once(ring, message):
    with ring.writer() as writer:
        writer.write(message)


def put_objects(queue, objects):
    for thing in objects:
        queue.put(thing)
    queue.close()
    queue.join_thread()


def fail_to_unpickle(error):
    raise error("unpickled")


class FailsToUnpickle:
    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        return fail_to_unpickle, (self.error,)
