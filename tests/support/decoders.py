"""Functions for a decoding pool, which starts its processes anew and finds them by name."""

import os
import signal
import time


def double(number: int) -> int:
    """A well-behaved call."""
    return 2 * number


def die_on(number: int, guilty: tuple[int, ...]) -> int:
    """Kill the process on a guilty number, as a decoder with a bug would."""
    if number in guilty:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def hang_on(number: int, guilty: tuple[int, ...]) -> int:
    """Never come back on a guilty number."""
    while number in guilty:
        time.sleep(60)
    return number


def eat_memory(megabytes: int) -> int:
    """Take memory, and say how much."""
    return len(bytearray(megabytes << 20)) >> 20


def raise_on(number: int, guilty: tuple[int, ...]) -> int:
    """Raise what no decoder should."""
    if number in guilty:
        raise LookupError("an error that nobody foresaw")
    return number


def process_number(_number: int) -> int:
    """Which process it runs in."""
    return os.getpid()
