"""The measuring process of the embedding benchmark: `python -m benchmarks.embed.work`.

It runs alone so that it has the allocator settings that the service gives its worker. It prints one
JSON object a line: progress, then the samples.
"""

import json
import sys
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.embed.contenders import Contender, contenders, shipped
from model.preprocess import PreprocessConfig, prepare

BATCHES = (1, 32)
WIDE = 224
_SINGLES = 16
_SLICES = 16
_SIDE = 512


@dataclass(frozen=True)
class Case:
    """One figure: a contender at one size and batch."""

    size: int
    batch: int
    contender: Contender

    def rate(self, images: NDArray[np.float32], calls: int) -> float:
        """Slices per second over some calls."""
        started = perf_counter()
        for _ in range(calls):
            self.contender.embed(images)
        return calls * len(images) / (perf_counter() - started)


def main(repetitions: int, quick: bool) -> None:
    """Measure and print."""
    checkpoint = shipped()
    config = checkpoint.info.preprocess
    cases = [
        Case(size, batch, contender)
        for size in sorted({config.size, WIDE})
        for contender in contenders(checkpoint, size)
        for batch in BATCHES
        if batch > 1 or "parts" not in contender.name
    ]
    rates: dict[str, list[float]] = {}
    preparing: dict[str, list[float]] = {"CT": [], "MR": []}
    steps = (repetitions + 1) * len(cases)
    for repetition in range(-1, repetitions):
        turn = repetition % len(cases)
        for number, case in enumerate((*cases[turn:], *cases[:turn])):
            _print(
                {"progress": [case.contender.name, (repetition + 1) * len(cases) + number, steps]}
            )
            rate = _measure(case, quick=quick or repetition < 0)
            if repetition >= 0:
                rates.setdefault(f"{case.size}/{case.batch}/{case.contender.name}", []).append(rate)
        for modality, samples in preparing.items():
            rate = _preparing_rate(modality, config)
            if repetition >= 0:
                samples.append(rate)
    _print(
        {
            "encoder": checkpoint.name,
            "size": config.size,
            "threads": torch.get_num_threads(),
            "slices_per_s": rates,
            "prepared_per_s": preparing,
        }
    )


def _measure(case: Case, *, quick: bool) -> float:
    rng = np.random.default_rng(0)
    images = rng.random((case.batch, case.size, case.size), dtype=np.float32)
    calls = 1 if case.batch > 1 else _SINGLES // (4 if quick else 1)
    return case.rate(images, calls)


def _preparing_rate(modality: str, config: PreprocessConfig) -> float:
    """Slices per second of preprocessing alone, in one process."""
    pixels = _head(modality)
    started = perf_counter()
    for _ in range(_SLICES):
        prepare(pixels, modality=modality, config=config)
    return _SLICES / (perf_counter() - started)


def _head(modality: str) -> NDArray[np.float32]:
    """A noisy ellipse in air, with the values of a head in HU or of MR."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    inside = (x / 0.6) ** 2 + (y / 0.8) ** 2 < 1
    air, tissue = (-1000.0, 35.0) if modality == "CT" else (5.0, 400.0)
    noise = rng.normal(0, 5, (_SIDE, _SIDE))
    return (np.where(inside, tissue, air) + noise).astype(np.float32)


def _print(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] == "quick")
