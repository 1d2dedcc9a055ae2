"""Asking over REST at a steady pace."""

import threading
from collections.abc import Sequence
from time import perf_counter, sleep

from benchmarks.query.rest import RestClient

K = 10
RATE = 20  # queries a second
BEFORE_S = 15.0
WARM_UP = 50


def ask_until(ended: threading.Event, client: RestClient, uids: Sequence[str]) -> list[float]:
    """Seconds of each query, begun at a steady pace; a late one does not put off the next.

    Raises:
        BenchmarkError: the API refused.
    """
    seconds: list[float] = []
    begun = perf_counter()
    while not ended.is_set():
        due = begun + len(seconds) / RATE
        sleep(max(0.0, due - perf_counter()))
        started = perf_counter()
        client.similar(uids[(7919 * len(seconds)) % len(uids)], K)
        seconds.append(perf_counter() - started)
    return seconds
