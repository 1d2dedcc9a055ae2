"""Frames between two threads: in order, never too many, and nobody waits for ever."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import numpy as np
import pytest

from service.frames import FrameBuffer
from service.outcomes import Outcome
from service.queue import Job


def outcome(number: int) -> Outcome:
    return Outcome(Job(number, f"1.2.{number}", f"{number}.dcm", UUID(int=1), "CT", 1, 1, 1))


def frames(count: int, value: float = 0.0) -> np.ndarray:
    return np.full((count, 2, 2), value, np.float32)


@pytest.fixture
def other() -> Iterator[ThreadPoolExecutor]:
    """The thread at the other end."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


def test_what_goes_in_comes_out_in_order(other: ThreadPoolExecutor) -> None:
    buffer = FrameBuffer(most=4)
    sent = [(outcome(n), frames(1 + n % 3, n)) for n in range(20)]

    def send() -> None:
        for one, pictures in sent:
            assert buffer.put(one, pictures)
        buffer.end()

    sending = other.submit(send)
    taken = []
    while portions := buffer.take(3):
        taken += portions
    sending.result()

    assert [one for one, _ in taken] == [one for one, _ in sent]
    for (_, got), (_, given) in zip(taken, sent, strict=True):
        np.testing.assert_array_equal(got, given)


def test_it_takes_no_more_in_than_it_may_hold(other: ThreadPoolExecutor) -> None:
    buffer = FrameBuffer(most=4)
    for number in range(2):
        buffer.put(outcome(number), frames(2))
    waiting = other.submit(buffer.put, outcome(2), frames(2))

    assert not waiting.done()
    assert sum(len(pictures) for _, pictures in buffer.take(1)) == 2
    assert waiting.result() is True


@pytest.mark.parametrize("first", [1, 3, 9])
def test_a_reader_that_wants_more_than_fits_does_not_wait_for_ever(
    other: ThreadPoolExecutor, first: int
) -> None:
    buffer = FrameBuffer(most=4)
    buffer.put(outcome(0), frames(first))
    sending = other.submit(lambda: [buffer.put(outcome(n), frames(3)) for n in range(1, 4)])

    assert sum(len(pictures) for _, pictures in buffer.take(100)) >= 4
    buffer.close()
    sending.result()


def test_the_rest_comes_although_it_is_little() -> None:
    buffer = FrameBuffer(most=4)
    buffer.put(outcome(0), frames(1))
    buffer.end()

    assert len(buffer.take(3)) == 1
    assert buffer.take(3) == []


def test_an_error_of_the_sender_reaches_the_reader() -> None:
    buffer = FrameBuffer(most=4)
    buffer.end(OSError("no processes left"))

    with pytest.raises(OSError, match="no processes left"):
        buffer.take(1)


def test_closing_frees_a_sender_that_waits(other: ThreadPoolExecutor) -> None:
    buffer = FrameBuffer(most=1)
    buffer.put(outcome(0), frames(1))
    waiting = other.submit(buffer.put, outcome(1), frames(1))

    buffer.close()

    assert waiting.result() is False
    assert buffer.put(outcome(2), frames(1)) is False
