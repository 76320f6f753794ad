"""asyncio: tasks that read a ring while the event loop runs others."""

from __future__ import annotations

import asyncio
import json
import multiprocessing

import seqring


def measure(ring: seqring.Ring) -> None:
    with ring.writer() as writer:
        for n in range(500):
            writer.write(b"", meta={"number": n, "temperature": 20 + n % 7})


async def average(ring: seqring.Ring) -> None:
    count = total = 0
    with ring.reader("oldest") as reader:
        async for _ in reader.aio():
            measurement = json.loads(reader.meta)
            count, total = count + 1, total + measurement["temperature"]
    print(f"{count} measurements, {total / count:.2f} degrees on average")


async def tick(done: asyncio.Event) -> None:
    ticks = 0
    while not done.is_set():
        await asyncio.sleep(0)
        ticks += 1
    print("the loop went on meanwhile:", ticks > 0)


async def consume(ring: seqring.Ring) -> None:
    done = asyncio.Event()
    ticking = asyncio.create_task(tick(done))
    await average(ring)
    done.set()
    await ticking


def main() -> None:
    with seqring.Ring.create(1000, 8, meta_bytes=64) as ring:
        process = multiprocessing.Process(target=measure, args=(ring,))
        process.start()
        asyncio.run(consume(ring))
        process.join()


if __name__ == "__main__":
    main()
