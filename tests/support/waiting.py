"""Waiting for a state of the world, never for a time."""

import os
import time
from collections.abc import Callable

PATIENCE_S = 3600.0 if os.environ.get("SOAK") == "1" else 150.0
"""Far longer than anything takes: reached only when it will never happen."""


def eventually(
    condition: Callable[[], bool],
    what: str,
    *,
    patience_s: float = PATIENCE_S,
    pause_s: float = 0.05,
) -> None:
    """Return once `condition` holds; fail, saying `what` was awaited, when it never does."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"in vain waited until {what}"
        time.sleep(pause_s)
