"""Tasks shared by workers. One worker is killed in the middle of a task, and another one does it."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal

import seqring

TASKS = 100


def work(tasks: seqring.Ring, results: seqring.Queue, is_killed: bool) -> None:
    with tasks.taker() as taker:
        for view in taker.views():  # A task is done when the next one is asked for.
            if is_killed:
                os.kill(os.getpid(), signal.SIGKILL)
            results.put(pickle.loads(view.tobytes()) ** 2)


def main() -> None:
    with seqring.Ring.create(16, 1024, delivery="queue") as tasks, seqring.Queue() as results:
        kills = [True, False, False]
        workers = [multiprocessing.Process(target=work, args=(tasks, results, kill)) for kill in kills]
        with tasks.writer() as writer:
            workers[0].start()
            writer.write(pickle.dumps(0))
            workers[0].join()
            for worker in workers[1:]:
                worker.start()
            for n in range(1, TASKS):
                writer.write(pickle.dumps(n))
        squares = sorted(results.get(timeout=60) for _ in range(TASKS))
        assert squares == [n**2 for n in range(TASKS)]
        for worker in workers[1:]:
            worker.join()
    print(f"{TASKS} tasks were done, worker 0 ended with {workers[0].exitcode}")


if __name__ == "__main__":
    main()
