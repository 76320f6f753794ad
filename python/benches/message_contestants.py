"""Ways to move messages between processes: seqring and its rivals.

A contestant is made before the processes fork. The writing process calls `sender()`, the n-th reading one
`receiver(n)`; both return a function for one message. All copy a message in and return it as bytes, unless
their class says otherwise.
"""

from __future__ import annotations

import ctypes
import mmap
import multiprocessing
import os
import struct
import time
from collections.abc import Callable
from multiprocessing import shared_memory
from typing import Any, ClassVar

import seqring
from ringbuffer_algorithm import LockedRing
from seqring.compat import ringbuffer

Send = Callable[[bytes], Any]
Receive = Callable[[], Any]

_FUTEX = 202


class Contestant:
    name: ClassVar[str]
    broadcast: ClassVar[bool] = False

    def __init__(self, size: int, slots: int, consumers: int) -> None:
        raise NotImplementedError

    def sender(self) -> Send:
        raise NotImplementedError

    def receiver(self, number: int) -> Receive:
        raise NotImplementedError

    def close(self) -> None:
        pass


class Seqring(Contestant):
    name = "seqring"
    broadcast = True
    waiting: ClassVar[Any] = "balanced"

    def __init__(self, size: int, slots: int, consumers: int) -> None:
        self.ring = seqring.Ring.create(slots, size, readers=consumers)
        self.parked = [self.ring.reader().park() for _ in range(consumers)]

    def sender(self) -> Send:
        return self.ring.writer(waiting=self.waiting).write

    def receiver(self, number: int) -> Receive:
        return self.ring.resume(self.parked[number].ticket, waiting=self.waiting).read

    def close(self) -> None:
        self.ring.close()


class SeqringSpinning(Seqring):
    name = "seqring, spinning"
    waiting = "spinning"


class SeqringSleeping(Seqring):
    name = "seqring, sleeping"
    waiting = "sleeping"


class SeqringInto(Seqring):
    name = "seqring, into an array"

    def receiver(self, number: int) -> Receive:
        reader = self.ring.resume(self.parked[number].ticket)
        out = bytearray(self.ring.slot_bytes)
        return lambda: reader.read_into(out)


class SeqringBatches(Seqring):
    """A call writes, or reads, `batch` messages."""

    name = "seqring, batches"
    batch: ClassVar[int] = 64

    def sender(self) -> Send:
        write = self.ring.writer().write_batch
        return lambda data: write([data] * self.batch)

    def receiver(self, number: int) -> Receive:
        reader = self.ring.resume(self.parked[number].ticket)
        ahead = 0

        def receive() -> None:
            nonlocal ahead
            while ahead < self.batch:
                ahead += len(reader.read_batch(self.batch))
            ahead -= self.batch

        return receive


def touch(data: Any) -> None:
    """Reads one word of each cache line, in place."""
    import numpy

    numpy.frombuffer(data, "u8")[::8].sum()


class SeqringInPlace(Seqring):
    """A reader touches each message in place. Both sides spin."""

    name = "seqring, in place"
    waiting = "spinning"

    def __init__(self, size: int, slots: int, consumers: int) -> None:
        self.ring = seqring.Ring.create(slots, size, readers=consumers, slot_class="arena")
        self.parked = [self.ring.reader().park() for _ in range(consumers)]

    def receiver(self, number: int) -> Receive:
        reader = self.ring.resume(self.parked[number].ticket, waiting=self.waiting)

        def receive() -> None:
            with reader.view() as view:
                touch(view)

        return receive


class Futex(Contestant):
    """Bare futex calls without a message: the lower limit of a round trip between sleeping
    processes."""

    name = "futex"

    def __init__(self, size: int, slots: int, consumers: int) -> None:
        self.words = (ctypes.c_uint32 * 16).from_buffer(mmap.mmap(-1, 4096))
        self.syscall = ctypes.CDLL(None, use_errno=True).syscall

    def sender(self) -> Send:
        words, syscall, word = self.words, self.syscall, ctypes.byref(self.words, 0)

        def wake(_data: bytes) -> None:
            words[0] += 1
            syscall(_FUTEX, word, 1, 1, None, None, 0)

        return wake

    def receiver(self, number: int) -> Receive:
        words, syscall, word, seen = self.words, self.syscall, ctypes.byref(self.words, 0), 0

        def wait() -> bytes:
            nonlocal seen
            while words[0] == seen:
                syscall(_FUTEX, word, 0, seen, None, None, 0)
            seen += 1
            return b""

        return wait


class Compat(Contestant):
    name = "seqring.compat.ringbuffer"
    broadcast = True

    def __init__(self, size: int, slots: int, consumers: int) -> None:
        self.ring = ringbuffer.RingBuffer(slot_bytes=size, slot_count=slots)
        self.ring.new_writer()
        self.pointers = [self.ring.new_reader() for _ in range(consumers)]

    def sender(self) -> Send:
        return self.ring.blocking_write

    def receiver(self, number: int) -> Receive:
        pointer = self.pointers[number]
        return lambda: self.ring.blocking_read(pointer)

    def close(self) -> None:
        self.ring.close()


class RingbufferAlgorithm(Contestant):
    """The algorithm of the package `ringbuffer`: see its file."""

    name = "ringbuffer's algorithm"
    broadcast = True

    def __init__(self, size: int, slots: int, consumers: int) -> None:
        self.ring = LockedRing(size, slots, consumers)

    def sender(self) -> Send:
        return self.ring.write

    def receiver(self, number: int) -> Receive:
        return lambda: self.ring.blocking_read(number)


class Queue(Contestant):
    name = "multiprocessing.Queue"

    def __init__(self, size: int, slots: int, consumers: int) -> None:
        self.queue: Any = multiprocessing.Queue(slots)

    def sender(self) -> Send:
        return self.queue.put

    def receiver(self, number: int) -> Receive:
        return self.queue.get

    def close(self) -> None:
        self.queue.cancel_join_thread()
        self.queue.close()


class Pipe(Contestant):
    name = "multiprocessing.Pipe"

    def __init__(self, size: int, slots: int, consumers: int) -> None:
        self.out, self.into = multiprocessing.Pipe(duplex=False)

    def sender(self) -> Send:
        return self.into.send_bytes

    def receiver(self, number: int) -> Receive:
        return self.out.recv_bytes


class HandRolled(Contestant):
    """A ring written by hand over `shared_memory`: a counter on each side, spinning. One reader."""

    name = "shared_memory by hand"
    zero_copy = False

    def __init__(self, size: int, slots: int, consumers: int) -> None:
        self.size, self.slots = size, slots
        self.stride = -(-(size + 8) // 64) * 64
        self.memory = shared_memory.SharedMemory(create=True, size=128 + self.stride * slots)
        self.owner = os.getpid()

    def sender(self) -> Send:
        buffer, counts = self.memory.buf, memoryview(self.memory.buf).cast("B")[:128].cast("Q")
        stride, slots, written = self.stride, self.slots, 0

        def send(data: bytes) -> None:
            nonlocal written
            while written - counts[8] >= slots:
                pass
            at = 128 + written % slots * stride
            struct.pack_into("Q", buffer, at, len(data))
            buffer[at + 8 : at + 8 + len(data)] = data
            written += 1
            counts[0] = written

        return send

    def receiver(self, number: int) -> Receive:
        buffer, counts = self.memory.buf, memoryview(self.memory.buf).cast("B")[:128].cast("Q")
        stride, slots, read, in_place = self.stride, self.slots, 0, self.zero_copy

        def receive() -> Any:
            nonlocal read
            if in_place:
                counts[8] = read  # The previous message is done.
            while counts[0] == read:
                pass
            at = 128 + read % slots * stride
            (size,) = struct.unpack_from("Q", buffer, at)
            data = buffer[at + 8 : at + 8 + size]
            read += 1
            if in_place:
                touch(data)
                return None
            copy = bytearray(data)
            counts[8] = read
            return copy

        return receive

    def close(self) -> None:
        if os.getpid() == self.owner:
            self.memory.unlink()


class HandRolledInPlace(HandRolled):
    name = "shared_memory by hand, in place"
    zero_copy = True


class FasterFifo(Contestant):
    name = "faster-fifo"

    def __init__(self, size: int, slots: int, consumers: int) -> None:
        import faster_fifo

        self.queue = faster_fifo.Queue(max_size_bytes=(size + 256) * slots)

    def sender(self) -> Send:
        def send(data: bytes) -> None:
            self.queue.put(data, timeout=60)

        return send

    def receiver(self, number: int) -> Receive:
        return lambda: self.queue.get(timeout=60)


class Zmq(Contestant):
    name = "pyzmq, ipc"

    def __init__(self, size: int, slots: int, consumers: int) -> None:
        import zmq

        self.zmq, self.slots = zmq, slots
        self.address = f"ipc:///tmp/seqring-bench-{os.getpid()}-{time.monotonic_ns()}"

    def _socket(self, kind: Any) -> Any:
        socket = self.zmq.Context().socket(kind)
        socket.set_hwm(self.slots)
        return socket

    def sender(self) -> Send:
        socket = self._socket(self.zmq.PUSH)
        socket.bind(self.address)
        return lambda data: socket.send(data)

    def receiver(self, number: int) -> Receive:
        socket = self._socket(self.zmq.PULL)
        socket.connect(self.address)
        return lambda: socket.recv()


class Membridge(Contestant):
    name = "membridge"

    def __init__(self, size: int, slots: int, consumers: int) -> None:
        import membridge

        self.membridge = membridge
        self.segment = f"/seqring-bench-{os.getpid()}-{time.monotonic_ns()}"
        self.bytes = (1 << ((size + 64) * slots - 1).bit_length()) + 24  # The capacity is a power of two.
        self.memory = membridge.SharedMemory.create(self.segment, self.bytes)
        self.memory.spsc()  # The first call writes the capacity to the segment.

    def sender(self) -> Send:
        ring = self.membridge.SharedMemory.open(self.segment, self.bytes).spsc()

        def send(data: bytes) -> None:
            while not ring.push(data):
                pass

        return send

    def receiver(self, number: int) -> Receive:
        ring = self.membridge.SharedMemory.open(self.segment, self.bytes).spsc()

        def receive() -> Any:
            while (data := ring.pop()) is None:
                pass
            return data

        return receive

    def close(self) -> None:
        self.membridge.SharedMemory.remove(self.segment)


class Cloudtoid(Contestant):
    name = "cloudtoid-interprocess"

    def __init__(self, size: int, slots: int, consumers: int) -> None:
        import cloudtoid_interprocess

        self.package = cloudtoid_interprocess
        self.queue = f"seqring-bench-{os.getpid()}-{time.monotonic_ns()}"
        self.bytes = -(-(size + 64) * slots // 4096) * 4096
        self.keep = cloudtoid_interprocess.Subscriber(self.queue, self.bytes)

    def sender(self) -> Send:
        publisher = self.package.Publisher(self.queue, self.bytes)

        def send(data: bytes) -> None:
            while not publisher.try_send(data):
                pass

        return send

    def receiver(self, number: int) -> Receive:
        subscriber = self.package.Subscriber(self.queue, self.bytes)
        return lambda: subscriber.receive(timeout=60.0)


class Iceoryx2(Contestant):
    name = "iceoryx2"
    broadcast = True

    def __init__(self, size: int, slots: int, consumers: int) -> None:
        import iceoryx2

        self.package = iceoryx2
        self.service = f"seqring-bench-{os.getpid()}-{time.monotonic_ns()}"
        self.size, self.slots, self.consumers = size, slots, consumers

    def open(self) -> Any:
        """The service, opened by each process."""
        self.node = self.package.NodeBuilder.new().create(self.package.ServiceType.Ipc)
        builder = self.node.service_builder(self.package.ServiceName.new(self.service))
        builder = builder.publish_subscribe(self.package.Slice[ctypes.c_uint8]).enable_safe_overflow(False)
        builder = builder.subscriber_max_buffer_size(self.slots).max_subscribers(self.consumers)
        return builder.open_or_create()

    def sender(self) -> Send:
        strategy = self.package.BackpressureStrategy.RetryUntilDelivered
        builder = self.open().publisher_builder().initial_max_slice_len(self.size)
        publisher = builder.backpressure_strategy(strategy).create()

        def send(data: bytes) -> None:
            sample = publisher.loan_slice_uninit(len(data))
            ctypes.memmove(sample.payload_ptr, data, len(data))
            sample.assume_init().send()

        return send

    def receiver(self, number: int) -> Receive:
        subscriber = self.open().subscriber_builder().create()

        def receive() -> Any:
            while (sample := subscriber.receive()) is None:
                pass
            return ctypes.string_at(sample.payload_ptr, self.size)

        return receive

    def close(self) -> None:
        # Its processes ended without cleaning up their files.
        self.open()
        self.node.try_cleanup_dead_nodes()


RIVALS: list[type[Contestant]] = [
    RingbufferAlgorithm, Queue, Pipe, HandRolled, FasterFifo, Zmq, Membridge, Cloudtoid, Iceoryx2,
]
