"""A program written for the package `ringbuffer`. The test that runs it changes only its import.

Two writers and three readers in processes, started by the method in the argument; ctypes records, numpy
arrays, and errors sent through a queue.
"""

import ctypes
import multiprocessing
import sys
import time

import numpy
import ringbuffer

COUNT = 300


class Record(ctypes.Structure):
    _fields_ = [("writer", ctypes.c_int), ("number", ctypes.c_int), ("values", ctypes.c_double * 4)]


def write(ring, writer, errors):
    try:
        for number in range(COUNT):
            record = Record(writer, number)
            numpy.frombuffer(record.values)[:] = numpy.arange(4) + number
            while True:
                try:
                    ring.try_write(record)
                    break
                except ringbuffer.WaitingForReaderError:
                    time.sleep(0.0001)
        try:
            ring.try_write(bytes(1000))
        except ringbuffer.DataTooLargeError as error:
            errors.put(error)
    finally:
        ring.writer_done()


def read(ring, pointer, errors):
    numbers = {0: 0, 1: 0}
    try:
        while True:
            record = Record.from_buffer(ring.blocking_read(pointer))
            assert record.number == numbers[record.writer], "in order, none lost"
            assert list(record.values) == [record.number + n for n in range(4)]
            numbers[record.writer] += 1
    except ringbuffer.WriterFinishedError as error:
        errors.put(error)
    assert numbers == {0: COUNT, 1: COUNT}


def main(method):
    context = multiprocessing.get_context(method)
    errors = context.JoinableQueue()
    ring = ringbuffer.RingBuffer(slot_bytes=ctypes.sizeof(Record), slot_count=10)
    processes = []
    for _ in range(3):
        processes.append(context.Process(target=read, args=(ring, ring.new_reader(), errors)))
    for writer in range(2):
        ring.new_writer()
        processes.append(context.Process(target=write, args=(ring, writer, errors)))
    for process in processes:
        process.start()
    names = []
    for _ in processes:
        names.append(type(errors.get(timeout=60)).__name__)
        errors.task_done()
    for process in processes:
        process.join()
    assert all(process.exitcode == 0 for process in processes)
    lag = [ring.writer.get().counter - pointer.counter.value for pointer in ring.readers]
    print(sorted(names), lag, ring.active.value)


if __name__ == "__main__":
    main(sys.argv[1])
