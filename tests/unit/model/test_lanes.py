"""Lanes: each on one core, in order, and no other thread notices."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread, current_thread

import pytest
import torch

from model.lanes import Lanes
from tests.support.waiting import eventually


@pytest.fixture
def three_threads() -> Iterator[None]:
    """Torch with three threads, whatever the machine has."""
    usual = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(usual)


@pytest.mark.usefixtures("three_threads")
def test_only_the_lanes_use_one_core() -> None:
    lanes = Lanes(2)
    elsewhere: list[int] = []
    thread = Thread(target=lambda: elsewhere.append(torch.get_num_threads()))
    thread.start()
    thread.join()

    assert lanes.map(lambda _: torch.get_num_threads(), range(8)) == [1] * 8
    assert torch.get_num_threads() == 3
    assert elsewhere == [3]


def test_results_keep_their_order() -> None:
    def square(number: int) -> tuple[int, bool]:
        return number**2, current_thread().name.startswith("lane")

    assert Lanes(3).map(square, range(20)) == [(n**2, True) for n in range(20)]


def test_an_error_comes_up_when_all_have_ended() -> None:
    ended: list[int] = []

    def fail_first(number: int) -> None:
        if number == 0:
            raise ValueError("the first one")
        ended.append(number)

    with pytest.raises(ValueError, match="the first one"):
        Lanes(2).map(fail_first, range(6))
    assert sorted(ended) == [1, 2, 3, 4, 5]


def test_items_are_asked_for_as_lanes_become_free() -> None:
    asked: list[int] = []
    free = Event()

    def items() -> Iterator[int]:
        for number in range(20):
            asked.append(number)
            yield number

    with ThreadPoolExecutor(1) as thread:
        found = thread.submit(Lanes(2).map, lambda _: free.wait(), items())
        eventually(lambda: len(asked) == 5, "four are under way and one waits for its lane")
        free.set()
        assert found.result() == [True] * 20


def test_an_error_of_the_items_comes_up_when_all_have_ended() -> None:
    ended: list[int] = []

    def items() -> Iterator[int]:
        yield from range(3)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        Lanes(2).map(ended.append, items())
    assert sorted(ended) == [0, 1, 2]
