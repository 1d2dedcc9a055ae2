"""Waiting for a condition, with a deadline and a word to the user now and then."""

import time
from collections.abc import Callable

Progress = Callable[[float], None]
"""Called about once a second with the seconds waited; what it raises ends the waiting."""

_TELL_EVERY_S = 1.0


def wait_until(
    condition: Callable[[], bool],
    timeout_s: float,
    progress: Progress | None = None,
    *,
    pause_s: float = 0.02,
) -> bool:
    """Ask for `condition` until it holds (True) or `timeout_s` have passed (False)."""
    start = time.monotonic()
    told = start
    while not condition():
        now = time.monotonic()
        if now - start >= timeout_s:
            return False
        if progress is not None and now - told >= _TELL_EVERY_S:
            told = now
            progress(now - start)
        time.sleep(pause_s)
    return True
