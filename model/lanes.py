"""Threads side by side, each of which computes on one core.

Torch splits every operation over all cores and waits for the slowest at its end. Where other
programs use the cores too, those waits cost more than the work: beside two busy processes on two
cores a slice took ten times as long. Threads that each take a slice of their own never wait.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Barrier, Event, Semaphore
from typing import Any, TypeVar

import torch

_AHEAD = 2  # items for each lane, so that none waits for the next

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Lanes:
    """`count` threads, in each of which torch uses one core; elsewhere it uses what it did."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="lane")
        self._under_way: set[Future[Any]] = set()
        usual = torch.get_num_threads()
        together = Barrier(count)
        for start in [self._executor.submit(_use_one_core, together) for _ in range(count)]:
            start.result()
        # Torch keeps one number for each thread, and a common one for threads yet to come.
        torch.set_num_threads(usual)

    def map(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        """`function` of each item, in order; an exception of one comes up once all have ended."""
        return self.begin(function, items)()

    def begin(
        self, function: Callable[[_Item], _Result], items: Iterable[_Item]
    ) -> Callable[[], list[_Result]]:
        """Hand all items out, and return what waits for the last of them and gives what `map` does.

        Items are asked for as lanes become free, two for each lane ahead, and no more of them after
        an exception. What is begun next takes the lanes that the last items leave free.
        """
        room, failed = Semaphore(_AHEAD * self.count), Event()

        def end(future: Future[_Result]) -> None:
            self._under_way.discard(future)
            if future.exception() is not None:
                failed.set()
            room.release()

        def turns() -> Iterator[None]:
            while room.acquire() and not failed.is_set():
                yield

        futures: list[Future[_Result]] = []
        try:
            for _, item in zip(turns(), items, strict=False):
                futures.append(self._executor.submit(function, item))
                self._under_way.add(futures[-1])
                futures[-1].add_done_callback(end)
        except BaseException:
            wait(futures)
            raise

        def results() -> list[_Result]:
            wait(futures)
            return [future.result() for future in futures]

        return results

    def settle(self) -> None:
        """Wait until nothing is under way; for who sees to it that nothing more is begun."""
        wait(self._under_way.copy())


def _use_one_core(together: Barrier) -> None:
    torch.set_num_threads(1)
    # A thread reads the common number once, at its first use of torch: now, while that is 1.
    torch.get_num_threads()
    together.wait()  # or one thread might take the place of two
