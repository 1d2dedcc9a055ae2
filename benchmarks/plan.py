"""What one run of the benchmarks is to do, and how it tells of its progress."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[str, int, int], None]
"""Called with what is under way, steps done, steps in all."""


@dataclass(frozen=True)
class Plan:
    """`quick` trades trust in the figures for time; `folder` is empty and deleted after the run.

    `size` is how many slices the larger gallery has. Filled galleries are looked for in `kept`, and
    left there; None: they are filled anew and deleted.
    """

    repetitions: int
    quick: bool
    folder: Path
    progress: Progress
    size: int = 100_000
    kept: Path | None = None
