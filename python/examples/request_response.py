"""Requests to a pool of servers. Each client has a queue for its answers, and sends it along."""

from __future__ import annotations

import multiprocessing

import seqring


def serve(requests: seqring.Queue) -> None:
    try:
        while True:
            question, answers = requests.get()
            with answers:  # A queue pickles to its name.
                answers.put(f"{question} squared is {question**2}")
    except seqring.ShutDown:
        pass


def main() -> None:
    with seqring.Queue() as requests, seqring.Queue() as answers:
        servers = [multiprocessing.Process(target=serve, args=(requests,)) for _ in range(2)]
        for server in servers:
            server.start()
        for question in (3, 12):
            requests.put((question, answers))
            print(answers.get(timeout=60))
        requests.shutdown()
        for server in servers:
            server.join()


if __name__ == "__main__":
    main()
