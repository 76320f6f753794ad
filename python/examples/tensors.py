"""torch tensors over messages without a copy, and the ring's memory pinned for copies to a GPU."""

from __future__ import annotations

import sys

import numpy
import seqring

try:
    import torch
except ImportError:
    print("torch is not installed: nothing to show")
    sys.exit(0)

PAGE = 4096
# The CUDA error if two buffers share a page.
ALREADY_REGISTERED = 712


class Pins:
    """Memory of messages, registered with CUDA so that copies to a GPU need no staging buffer.

    Messages use the same few buffers of the ring again, so each is registered once. `close` unregisters
    all, while the ring is still open.
    """

    def __init__(self) -> None:
        self._starts: set[int] = set()

    def pin(self, view: seqring.View) -> None:
        address = numpy.asarray(view).ctypes.data
        start = address // PAGE * PAGE
        if start in self._starts:
            return
        result = int(torch.cuda.cudart().cudaHostRegister(start, address + view.nbytes - start, 0))
        if result == 0:
            self._starts.add(start)
        elif result != ALREADY_REGISTERED:
            raise RuntimeError(f"CUDA refused to register memory: error {result}")

    def close(self) -> None:
        for start in self._starts:
            torch.cuda.cudart().cudaHostUnregister(start)
        self._starts.clear()


def show(view: seqring.View, pins: Pins | None) -> None:
    # torch has no read-only tensors: do not write to this one.
    tensor = torch.frombuffer(view, dtype=torch.float32).reshape(view.shape)
    if pins is not None:
        pins.pin(view)
        tensor = tensor.to("cuda", non_blocking=True)
        torch.cuda.synchronize()  # Keep the message until the copy is done.
    print(f"sum on {tensor.device}:", float(tensor.sum()))


def main() -> None:
    shape = (64, 128)
    pins = Pins() if torch.cuda.is_available() else None
    if pins is None:
        print("there is no GPU: nothing is pinned")
    with (
        seqring.Ring.create(4, shape=shape, dtype="float32") as ring,
        ring.writer() as writer,
        ring.reader() as reader,
    ):
        for n in range(8):
            with writer.claim() as array:
                array[...] = numpy.full(shape, n, "float32")
            with reader.view() as view:
                show(view, pins)
        if pins is not None:
            pins.close()


if __name__ == "__main__":
    main()
