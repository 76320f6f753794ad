"""torch tensors over messages, without a copy; and the ring's memory pinned for copies to a GPU, where there is one."""

from __future__ import annotations

import sys

import numpy
import seqring

try:
    import torch
except ImportError:
    print("torch is not installed: nothing to show")
    sys.exit(0)


def pin(view: seqring.View) -> None:
    """Registers the pages of a message with CUDA, so that copies from it need no copy of their own."""
    if not torch.cuda.is_available():
        print("there is no GPU: the memory stays as it is")
        return
    array = numpy.asarray(view)
    start = array.ctypes.data & ~4095
    size = array.ctypes.data + array.nbytes - start
    result = torch.cuda.cudart().cudaHostRegister(start, size, 0)
    print("pinned" if int(result) == 0 else f"CUDA refused: {result}")


def main() -> None:
    with seqring.Ring.create(4, shape=(64, 128), dtype="float32") as ring:
        with ring.writer() as writer, ring.reader() as reader:
            with writer.claim((64, 128)) as array:
                array[...] = numpy.arange(64 * 128, dtype="float32").reshape(64, 128)
            with reader.view() as view:
                pin(view)
                # torch knows no read-only tensors: do not write to it.
                tensor = torch.frombuffer(view, dtype=torch.float32)
                print("sum:", float(tensor.reshape(64, 128).sum()))
                del tensor


if __name__ == "__main__":
    main()
