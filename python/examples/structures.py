"""ctypes records, each sent to exactly one of several workers."""

from __future__ import annotations

import ctypes
import multiprocessing

import seqring

ORDERS = 1000


class Order(ctypes.Structure):
    _fields_ = [("number", ctypes.c_uint64), ("price", ctypes.c_double), ("symbol", ctypes.c_char * 8)]


def work(ring: seqring.Ring, name: str) -> None:
    with ring.taker() as taker:
        orders = [Order.from_buffer(message) for message in taker]
    print(f"{name}: {len(orders)} orders, {sum(order.price for order in orders):.2f} in all")


def main() -> None:
    with seqring.Ring.create(64, ctypes.sizeof(Order), delivery="queue") as ring, ring.writer() as writer:
        workers = [multiprocessing.Process(target=work, args=(ring, f"worker {n}")) for n in range(3)]
        for process in workers:
            process.start()
        for number in range(ORDERS):
            writer.write(Order(number, number / 100, b"SEQR"))
        writer.close()
        for process in workers:
            process.join()


if __name__ == "__main__":
    main()
