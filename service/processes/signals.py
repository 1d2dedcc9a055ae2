"""Waiting for the signal that ends a process in good order."""

import signal
import threading
from collections.abc import Callable
from types import FrameType


def stop_event(on_stop: Callable[[], None] = lambda: None) -> threading.Event:
    """An event that SIGTERM or SIGINT sets, after calling `on_stop`; main thread only."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()
        on_stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopped
