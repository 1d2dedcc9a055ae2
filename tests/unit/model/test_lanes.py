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


def test_after_an_error_no_more_is_asked_for_and_what_is_under_way_ends() -> None:
    asked: list[int] = []
    ended: list[int] = []
    go = Event()

    def items() -> Iterator[int]:
        for number in range(20):
            asked.append(number)
            yield number

    def fail(number: int) -> None:
        go.wait()
        ended.append(number)
        raise ValueError(f"number {number}")

    with ThreadPoolExecutor(1) as thread:
        found = thread.submit(Lanes(2).map, fail, items())
        eventually(lambda: len(asked) == 4, "two items for each lane are asked for")
        go.set()
        with pytest.raises(ValueError, match="number 0"):
            found.result()
    assert sorted(ended) == asked == [0, 1, 2, 3]


def test_items_are_asked_for_as_lanes_become_free() -> None:
    asked: list[int] = []
    free = Event()

    def items() -> Iterator[int]:
        for number in range(20):
            asked.append(number)
            yield number

    with ThreadPoolExecutor(1) as thread:
        found = thread.submit(Lanes(2).map, lambda _: free.wait(), items())
        eventually(lambda: len(asked) == 4, "two items for each lane are asked for")
        free.set()
        assert found.result() == [True] * 20


def test_a_slow_item_keeps_no_other_lane_waiting() -> None:
    ended: list[int] = []

    def wait_for_all_others(number: int) -> None:
        if number == 0:
            eventually(lambda: len(ended) == 19, "the other lane has done all the rest")
        ended.append(number)

    Lanes(2).map(wait_for_all_others, range(20))
    assert ended == [*range(1, 20), 0]


def test_an_error_of_the_items_comes_up_when_all_have_ended() -> None:
    ended: list[int] = []

    def items() -> Iterator[int]:
        yield from range(3)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        Lanes(2).map(ended.append, items())
    assert sorted(ended) == [0, 1, 2]


def test_what_is_begun_next_takes_the_lanes_that_the_last_items_leave_free() -> None:
    lanes, ended = Lanes(2), Event()

    first = lanes.begin(lambda _: ended.wait(), range(1))
    second = lanes.begin(lambda number: number, range(10))
    assert second() == list(range(10)), "while an item of the first is under way"
    ended.set()
    assert first() == [True]


def test_an_error_comes_up_where_results_are_asked_for() -> None:
    def fail(number: int) -> None:
        raise ValueError(f"number {number}")

    results = Lanes(2).begin(fail, range(1))
    with pytest.raises(ValueError, match="number 0"):
        results()


def test_settled_is_when_nothing_is_under_way() -> None:
    lanes, go = Lanes(2), Event()
    results = [lanes.begin(lambda _: go.wait(), range(2)) for _ in range(2)]
    with ThreadPoolExecutor(1) as thread:
        settled = thread.submit(lanes.settle)
        assert not settled.done()
        go.set()
        settled.result()
    lanes.settle()
    assert [result() for result in results] == [[True, True]] * 2
