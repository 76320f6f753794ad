"""Commanders and producers of the tests, in a module that other processes can import."""

import os
import signal
import time

import numpy
from seqring.compat.concurrentbuffer import commander as compat_commander
from seqring.compat.concurrentbuffer import producer as compat_producer
from seqring.pipeline import Commander, Producer

SHAPES = [(4, 3), (2,)]
DTYPES = ["uint8", "int64"]


class Counting(Commander):
    """Issues `count` numbers; endless if `None`. It uses one dictionary for all messages."""

    def __init__(self, count=None):
        self.count = count
        self.message = {}
        self.number = -1

    def create_message(self):
        self.number += 1
        if self.number == self.count:
            raise StopIteration
        self.message["number"] = self.number
        return self.message

    def __len__(self):
        if self.count is None:
            raise TypeError("endless")
        return self.count


class Filling(Producer):
    """Fills both arrays with the number."""

    def create_data(self, message, out):
        number = message["number"]
        out[0][...] = number % 256
        out[1][...] = number
        out.meta = {"number": number, "pid": os.getpid()}


class Returning(Producer):
    """Returns both arrays."""

    def create_data(self, message):
        number = message["number"]
        return numpy.full((4, 3), number % 256, "uint8"), numpy.full(2, number, "int64")


def fill(message, out):
    """Returns both arrays, as a function of a number."""
    out[0][...] = message % 256
    out[1][...] = message


def returned(message):
    return numpy.full((4, 3), message % 256, "uint8"), numpy.full(2, message, "int64")


class Uneven(Filling):
    """Some items take a hundred times longer, and some fail at the first try."""

    def build(self):
        self.pause = 0.01 if os.getpid() % 2 else 0.0001

    def create_data(self, message, out):
        time.sleep(self.pause)
        if message["number"] % 10 == 3 and out.tries == 1:
            raise ValueError("not at the first try")
        super().create_data(message, out)


class At(Filling):
    """Misbehaves at number `bad`, for its first tries."""

    def __init__(self, bad=7, tries=1 << 30):
        self.bad = bad
        self.tries = tries

    def create_data(self, message, out):
        if message["number"] == self.bad and out.tries <= self.tries:
            return self.at(message, out)
        return super().create_data(message, out)


class Raises(At):
    def at(self, message, out):
        raise ValueError(f"no {message['number']} today")


class Exits(At):
    def at(self, message, out):
        raise SystemExit(3)


class Killed(At):
    def at(self, message, out):
        os.kill(os.getpid(), signal.SIGKILL)


class Hangs(At):
    def at(self, message, out):
        time.sleep(3600)


class WrongShape(At):
    def at(self, message, out):
        return numpy.zeros((4, 4), "uint8"), numpy.zeros(2, "int64")


class WrongDtype(At):
    def at(self, message, out):
        return numpy.zeros((4, 3), "float32"), numpy.zeros(2, "int64")


class WrongCount(At):
    def at(self, message, out):
        return numpy.zeros((4, 3), "uint8")


class WrongAssignment(At):
    def at(self, message, out):
        out[0] = numpy.zeros((4, 4), "uint8")


class LongMeta(At):
    def at(self, message, out):
        out.meta = bytes(100_000)


class Keeping(Filling):
    """Keeps the arrays of the previous item, and tries to write to them."""

    kept = None

    def create_data(self, message, out):
        if self.kept is not None:
            try:
                self.kept[...] = 99
            except ValueError:
                pass
        self.kept = out[0]
        super().create_data(message, out)


class NotBuilt(Filling):
    def build(self):
        raise RuntimeError("no model file")


class NotUnpickled(Filling):
    def __setstate__(self, state):
        raise RuntimeError("no such version")

    def __getstate__(self):
        return {"a": "state"}


class BuildHangs(Filling):
    def build(self):
        time.sleep(3600)


class BuildKilled(Filling):
    def build(self):
        os.kill(os.getpid(), signal.SIGKILL)


class CommanderRaises(Counting):
    def create_message(self):
        if self.number == 6:
            raise ValueError("out of ideas")
        return super().create_message()


class CommanderKilled(Counting):
    def create_message(self):
        if self.number == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().create_message()


class CommanderNotBuilt(Counting):
    def build(self):
        raise RuntimeError("no list of files")


class CommanderWordy(Counting):
    def create_message(self):
        return {"number": 0, "text": "x" * 100_000}


class CommanderSilent(Counting):
    """Stops issuing after number 6."""

    def create_message(self):
        if self.number == 6:
            time.sleep(3600)
        return super().create_message()


def iterate_and_hang(method, ready):
    """A consumer that is killed during its work."""
    import seqring

    pipeline = seqring.Pipeline(
        Counting(), Hangs(20), shapes=SHAPES, dtypes=DTYPES, producers=2, start_method=method
    )
    for _ in range(5):
        next(pipeline)
    ready.put([process.pid for process in __import__("multiprocessing").active_children()])
    for _ in pipeline:
        pass


# For compat.


class CompatCounting(compat_commander.Commander):
    """Endless numbers, in one dictionary."""

    def __init__(self, count=None, info_queue=None):
        self.count = count
        self.info_queue = info_queue

    def build(self):
        self.number = -1
        self.message = {}

    def create_message(self):
        self.number += 1
        if self.number == self.count:
            raise StopIteration
        if self.info_queue is not None:
            self.info_queue.put(self.number)
        self.message["number"] = self.number
        return self.message


class CompatStopping(CompatCounting):
    def create_message(self):
        return compat_commander.STOP_MESSAGE if self.number == 9 else super().create_message()


class CompatRaising(CompatCounting):
    def create_message(self):
        if self.number == 6:
            raise ValueError("out of ideas")
        return super().create_message()


class CompatFilling(compat_producer.Producer):
    """Floating-point numbers, as in the original's example."""

    def __init__(self, shapes):
        self.shapes = shapes

    def build(self):
        self.built = True

    def create_data(self, message):
        assert self.built and compat_commander.BUFFER_ID_KEY in message
        self.set_meta({"number": message["number"]})
        return tuple(numpy.ones(shape) * message["number"] for shape in self.shapes)


class CompatBare(CompatFilling):
    def create_data(self, message):
        return super().create_data(message)[0]


class CompatStacked(CompatFilling):
    def create_data(self, message):
        return numpy.array([numpy.squeeze(super(CompatStacked, self).create_data(message)[0])])


class CompatAt(CompatFilling):
    """Misbehaves at number 7."""

    def create_data(self, message):
        return self.at() if message["number"] == 7 else super().create_data(message)


class CompatRaises(CompatAt):
    def at(self):
        raise ValueError("no 7 today")


class CompatKilled(CompatAt):
    def at(self):
        os.kill(os.getpid(), signal.SIGKILL)


class CompatHangs(CompatAt):
    def at(self):
        time.sleep(3600)


class CompatWrongShape(CompatAt):
    def at(self):
        return [numpy.zeros((5, 5)) for _ in self.shapes]


class CompatTooLarge(CompatAt):
    def at(self):
        return [numpy.full(shape, 1 << 40) for shape in self.shapes]


class CompatTooFew(CompatAt):
    def at(self):
        return []


class CompatNotBuilt(CompatFilling):
    def build(self):
        raise RuntimeError("no model file")


class CompatBuildHangs(CompatFilling):
    def build(self):
        time.sleep(3600)
