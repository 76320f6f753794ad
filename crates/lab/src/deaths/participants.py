#!/usr/bin/env python3
"""Participants of `seqring-lab deaths` whose libraries are used from Python.

    participants.py CONTESTANT RING DIRECTORY INDEX:ROLE...   plays participants
    participants.py CONTESTANT RING DIRECTORY                 removes what is left, as its library documents
    participants.py CONTESTANT --version                      prints the version, or fails with the reason

The account of a participant is described in crates/harness/src/deaths.rs. An adapter has `send(message)`
and `receive()`, which return None if the call can be repeated; `receive` otherwise returns a message.
They raise Report for what the library reports in words, and count reported losses in `lost`.
"""

import importlib
import importlib.metadata
import mmap
import multiprocessing
import os
import queue
import signal
import struct
import sys
import time

PATIENCE = 0.05
SILENCE = 0.12
HEAD, EVENTS = 8, 1 << 22
READY, JOINED, REFUSED, LEFT = 1, 2, 3, 4
WAIT, _GO, STOP, EXIT, PANIC, PAUSE = range(6)
SENT, GOT, TORN = 1, 2, 4
SLOTS, BYTES = 64, 8192


class Report(Exception):
    """What a library reports, in its words."""


class Adapter:
    """An end of a contestant."""

    package, module, size, forked = "", "", BYTES, False
    lost = 0

    @classmethod
    def make(cls):
        """What forked participants inherit."""

    @classmethod
    def unmake(cls, made):
        """Ends it."""

    def __init__(self, ring, role, made):
        self.ring, self.role, self.made = ring, role, made

    def close(self):
        """Leaves."""

    @staticmethod
    def clean(ring):
        """Removes what a ring left, if the library documents how."""


class MpQueue(Adapter):
    package = module = "multiprocessing"
    forked = True

    @classmethod
    def make(cls):
        return multiprocessing.Queue(SLOTS)

    def send(self, message):
        try:
            self.made.put(message, timeout=PATIENCE)
        except queue.Full:
            return None
        return True

    def receive(self):
        try:
            return self.made.get(timeout=PATIENCE)
        except queue.Empty:
            return None

    def close(self):
        self.made.close()


class FasterFifo(MpQueue):
    package, module = "faster-fifo", "faster_fifo"

    @classmethod
    def make(cls):
        return importlib.import_module("faster_fifo").Queue(max_size_bytes=SLOTS * (BYTES + 64))


class MpPipe(Adapter):
    package = module = "multiprocessing"
    forked = True

    @classmethod
    def make(cls):
        return multiprocessing.Pipe(duplex=False)

    def __init__(self, ring, role, made):
        super().__init__(ring, role, made)
        reading, writing = made
        self.end, other = (writing, reading) if role == "writer" else (reading, writing)
        other.close()

    def send(self, message):
        self.end.send_bytes(message)
        return True

    def receive(self):
        return self.end.recv_bytes() if self.end.poll(PATIENCE) else None

    def close(self):
        self.end.close()


class ZeroMq(Adapter):
    package, module = "pyzmq", "zmq"

    def __init__(self, ring, role, made):
        super().__init__(ring, role, made)
        self.zmq = zmq = importlib.import_module("zmq")
        self.monitors = importlib.import_module("zmq.utils.monitor")
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.PUSH if role == "writer" else zmq.PULL)
        for option in (zmq.SNDHWM, zmq.RCVHWM):
            self.socket.setsockopt(option, SLOTS)
        for option in (zmq.SNDTIMEO, zmq.RCVTIMEO):
            self.socket.setsockopt(option, int(1000 * PATIENCE))
        self.socket.setsockopt(zmq.LINGER, 1000)
        self.monitor = self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self.calls = 0
        (self.socket.connect if role == "writer" else self.socket.bind)(f"ipc://{ring}")

    def heed(self, idle):
        self.calls += 1
        if (idle or self.calls % 64 == 0) and self.monitor.poll(0):
            self.monitors.recv_monitor_message(self.monitor)
            raise Report("EVENT_DISCONNECTED")

    def send(self, message):
        try:
            self.socket.send(message)
        except self.zmq.Again:
            return self.heed(True)
        return True

    def receive(self):
        try:
            message = self.socket.recv()
        except self.zmq.Again:
            return self.heed(True)
        return message

    def close(self):
        self.socket.disable_monitor()
        self.monitor.close()
        self.socket.close()
        self.context.term()


class Kickmsg(Adapter):
    package = module = "kickmsg"

    def __init__(self, ring, role, made):
        super().__init__(ring, role, made)
        kickmsg = importlib.import_module("kickmsg")
        config = kickmsg.Config()
        config.max_subscribers, config.sub_ring_capacity = 8, SLOTS
        config.pool_size, config.max_payload_size = 16 * SLOTS, BYTES
        self.region = kickmsg.SharedRegion.create_or_open(f"/{ring}", kickmsg.ChannelType.Broadcast, config)
        self.end = (kickmsg.Publisher if role == "writer" else kickmsg.Subscriber)(self.region)
        self.counted = 0

    def heed(self):
        """The documented health check."""
        found = self.region.diagnose()
        if found.locked_entries or found.retired_rings:
            repaired = self.region.repair_locked_entries() + self.region.reset_retired_rings()
            raise Report(f"{found}; repaired {repaired}")

    def send(self, message):
        try:
            self.end.send(message)
        except BlockingIOError:
            time.sleep(0.001)
            return self.heed()
        return True

    def receive(self):
        message = self.end.receive(PATIENCE)
        self.lost = self.end.lost
        if message is None:
            self.heed()
        return message

    def close(self):
        del self.end, self.region

    @staticmethod
    def clean(ring):
        importlib.import_module("kickmsg").unlink_shm(f"/{ring}")


class Subetha(Adapter):
    package, module, size = "subetha-ipc", "subetha", 48

    def __init__(self, ring, role, made):
        super().__init__(ring, role, made)
        channel = importlib.import_module("subetha").Channel
        if os.path.exists(ring):
            self.channel = channel.open(ring, SLOTS)
        else:
            self.channel = channel(ring, SLOTS, 4, 4)

    def send(self, message):
        return self.channel.send_for(message, PATIENCE) or None

    def receive(self):
        return self.channel.recv_for(PATIENCE)

    def close(self):
        self.channel.__exit__(None, None, None)


class Aeron(Adapter):
    package = module = "pyaeron"
    forked = True

    @classmethod
    def make(cls):
        """Starts a media driver in a process of its own."""
        pyaeron, folder = importlib.import_module("pyaeron"), os.path.abspath("aeron")
        driver = os.fork()
        if not driver:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            made = pyaeron.MediaDriver(dir=folder)
            signal.sigwait([signal.SIGTERM])
            made.close()
            os._exit(0)
        while not os.path.exists(os.path.join(folder, "cnc.dat")):
            time.sleep(0.001)
        return folder, driver

    @classmethod
    def unmake(cls, made):
        os.kill(made[1], signal.SIGTERM)
        os.waitpid(made[1], 0)

    def __init__(self, ring, role, made):
        super().__init__(ring, role, made)
        self.pyaeron = importlib.import_module("pyaeron")
        self.client, channel = self.pyaeron.Aeron(dir=made[0]), "aeron:ipc?term-length=1m"
        self.gone, self.messages = [], []
        # One handler: fragments are assembled for each.
        self.take = lambda view, _: self.messages.append(view.tobytes())
        if role == "writer":
            self.end = self.client.add_publication(channel, 1)
        else:
            self.end = self.client.add_subscription(channel, 1, unavailable_image=self.gone.append)

    def send(self, message):
        end = time.monotonic() + PATIENCE
        while not (answer := self.end.offer(message)):
            if answer is self.pyaeron.NOT_CONNECTED:
                raise Report("NOT_CONNECTED")
            if time.monotonic() > end:
                return None
            time.sleep(0.00002)
        return True

    def receive(self):
        end = time.monotonic() + PATIENCE
        while not self.messages:
            self.end.poll(self.take, 8)
            if self.gone:
                self.gone.clear()
                raise Report("unavailable image")
            if time.monotonic() > end:
                return None
            time.sleep(0.00002)
        return self.messages.pop(0)

    def close(self):
        self.end.close()
        self.client.close()


class Absent(Adapter):
    """A contestant that is not compared, and why."""

    why = ""


class Vllm(Absent):
    package = "vllm"
    why = "needs PyTorch and CUDA libraries, several GB"


CONTESTANTS = {
    "mp-queue": MpQueue,
    "mp-pipe": MpPipe,
    "faster-fifo": FasterFifo,
    "zeromq": ZeroMq,
    "kickmsg": Kickmsg,
    "subetha": Subetha,
    "aeron": Aeron,
    "vllm": Vllm,
}


class Account:
    """The words that a participant shares with the lab."""

    def __init__(self, directory, index):
        self.index = index
        with open(os.path.join(directory, str(index)), "r+b") as file:
            self.words = memoryview(mmap.mmap(file.fileno(), 8 * (HEAD + 2 * EVENTS))).cast("Q")
        self.reports = []

    def order(self):
        return self.words[1]

    def add(self, kind, message):
        count = self.words[2]
        if count < EVENTS:
            self.words[HEAD + 2 * count] = time.monotonic_ns()
            self.words[HEAD + 2 * count + 1] = kind << 56 | message
            self.words[2] = count + 1

    def report(self, error):
        text = " ".join((str(error) if isinstance(error, Report) else repr(error)).split())
        if len(self.reports) < 8 and text not in self.reports:
            os.write(1, f"{self.index} {time.monotonic_ns()} {text}\n".encode())
            self.reports.append(text)

    def goes_on(self):
        """Meets the fault that was ordered, waits as long as it is to pause, and says whether there
        is no order to stop."""
        while True:
            order = self.order()
            if order == EXIT:
                os._exit(3)
            if order == PANIC:
                raise RuntimeError("as ordered")
            if order != PAUSE:
                return order != STOP
            time.sleep(0.001)


def write(account, end, size):
    number = 0
    while account.goes_on():
        word = account.index << 48 | number
        account.words[7] = number + 1
        try:
            if end.send(struct.pack("<Q", word) * (size // 8)):
                account.add(SENT, word)
                number += 1
        except Exception as error:
            account.report(error)
            time.sleep(0.001)
        account.words[5] += 1


def read(account, end):
    last = time.monotonic()
    while account.goes_on() or time.monotonic() - last < SILENCE:
        try:
            message = end.receive()
        except Exception as error:
            account.report(error)
            message = None
            time.sleep(0.001)
        if message is not None:
            last = time.monotonic()
            first = bytes(message[:8])
            whole = len(message) % 8 == 0 and message == first * (len(message) // 8)
            account.add(GOT if whole else TORN, struct.unpack("<Q", first)[0] & ~(0xFF << 56))
        account.words[6] = end.lost
        account.words[5] += 1


def play(contestant, ring, directory, part, made):
    index, role = part.split(":")
    account = Account(directory, int(index))
    account.words[3] = account.words[4] = os.getpid()
    if contestant.module != "multiprocessing":
        importlib.import_module(contestant.module)
    account.words[0] = READY
    while account.order() == WAIT:
        time.sleep(0.0002)
    try:
        end = contestant(ring, role, made)
    except Exception as error:
        account.report(error)
        account.words[0] = REFUSED
        return
    account.words[0] = JOINED
    write(account, end, contestant.size) if role == "writer" else read(account, end)
    end.close()
    account.words[0] = LEFT


def version(contestant):
    if contestant.package == "multiprocessing":
        return sys.version.split()[0]
    if issubclass(contestant, Absent):
        raise ImportError(contestant.why)
    importlib.import_module(contestant.module)
    return importlib.metadata.version(contestant.package)


def main():
    name, ring, *rest = sys.argv[1:]
    contestant = CONTESTANTS[name]
    if ring == "--version":
        print(version(contestant))
        return
    directory, *parts = rest
    if not parts:
        contestant.clean(ring)
    elif not contestant.forked:
        play(contestant, ring, directory, parts[0], None)
    else:
        made = contestant.make()
        children = []
        for part in parts:
            child = os.fork()
            if not child:
                play(contestant, ring, directory, part, made)
                sys.exit()
            children.append(child)
        if contestant is MpPipe:
            for end in made:
                end.close()
        for _ in children:
            os.wait()  # In the order in which they end.
        contestant.unmake(made)


if __name__ == "__main__":
    main()
