"""A video pipeline: a camera, a slow detector, and a recorder that needs every frame.

Frames are synthetic 1080p; with a file or a device number as argument, and OpenCV installed, they are real. The camera
writes into two rings: a lossy one, in which a slow detector loses and counts frames, and a gated one.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy
import seqring

HEIGHT, WIDTH = 1080, 1920
FRAMES_PER_SECOND = 60
SECONDS = 2
Frame = numpy.ndarray[Any, numpy.dtype[numpy.uint8]]


def synthetic() -> Iterator[Frame]:
    """A bright bar that moves."""
    frame = numpy.zeros((HEIGHT, WIDTH, 3), numpy.uint8)
    for n in range(FRAMES_PER_SECOND * SECONDS):
        frame[:, (n - 1) * 8 % WIDTH] = 0
        frame[:, n * 8 % WIDTH] = 255
        yield frame


def filmed(source: str) -> Iterator[Frame]:
    import cv2

    capture = cv2.VideoCapture(int(source) if source.isdigit() else source)
    while True:
        there, frame = capture.read()
        if not there:
            return
        yield cv2.resize(frame, (WIDTH, HEIGHT))


def camera(rings: list[seqring.Ring], source: str | None) -> None:
    writers = [ring.writer() for ring in rings]
    for writer in writers:
        writer.wait_for_readers(1)
    due = time.monotonic()
    for frame in filmed(source) if source else synthetic():
        for writer in writers:
            writer.write(frame, meta={"taken": time.time()})
        due += 1 / FRAMES_PER_SECOND
        time.sleep(max(0.0, due - time.monotonic()))


def detect(ring: seqring.Ring) -> None:
    out = numpy.empty((HEIGHT, WIDTH, 3), numpy.uint8)
    with ring.reader("latest", skip_lost=True) as reader:
        found = passed = 0
        try:
            while True:
                reader.read_into(out)
                found += int(out.max() == 255)
                time.sleep(0.05)  # Three times longer than a frame takes.
                passed += reader.skip_to_latest()
        except seqring.Closed:
            print(f"detector: {found} frames with an object, {passed + reader.lost} skipped")


def record(ring: seqring.Ring) -> None:
    with ring.reader("oldest") as reader:
        sizes = [view.nbytes for view in reader.views()]
        print(f"recorder: {len(sizes)} frames, {sum(sizes) / 1e6:.0f} MB, none lost")


def main() -> None:
    source = sys.argv[1] if len(sys.argv) > 1 else None
    shape = (HEIGHT, WIDTH, 3)
    with (
        seqring.Ring.create(4, shape=shape, dtype="uint8", delivery="lossy", meta_bytes=64) as newest,
        seqring.Ring.create(8, shape=shape, dtype="uint8", meta_bytes=64) as every,
    ):
        processes = [
            multiprocessing.Process(target=camera, args=([newest, every], source)),
            multiprocessing.Process(target=detect, args=(newest,)),
            multiprocessing.Process(target=record, args=(every,)),
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()


if __name__ == "__main__":
    main()
