"""The measuring process of the embedding benchmark: `python -m benchmarks.embed.work`.

It runs alone so that it has the allocator settings that the service gives its worker, and is given
the gallery to work on by its environment. It prints one JSON object a line: progress, then the
samples.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from benchmarks.embed.contenders import Contender, contenders, shipped
from benchmarks.embed.cuda import measure_cuda
from benchmarks.embed.heads import Modality, head
from benchmarks.embed.pipeline import Pipeline, opened
from model.checkpoint import Checkpoint
from model.preprocess import PreprocessConfig, prepare

BATCHES = (1, 8, 32, 128)
WIDE = 224
_SINGLES = 16
_SLICES = 16
_FILES = {"quick": 512, "full": 1152}  # some batches of the worker


@dataclass(frozen=True)
class Case:
    """One figure: a contender at one size and batch."""

    size: int
    batch: int
    contender: Contender

    @property
    def key(self) -> str:
        return f"{self.size}/{self.batch}/{self.contender.name}"

    def rate(self, *, quick: bool) -> float:
        """Slices per second over some calls."""
        rng = np.random.default_rng(0)
        images = rng.random((self.batch, self.size, self.size), dtype=np.float32)
        calls = 1 if self.batch > 1 else _SINGLES // (4 if quick else 1)
        started = perf_counter()
        for _ in range(calls):
            self.contender.embed(images)
        return calls * len(images) / (perf_counter() - started)


@dataclass(frozen=True)
class Samples:
    """Rates by what was measured, one for each repetition."""

    slices_per_s: dict[str, list[float]] = field(default_factory=dict)
    prepared_per_s: dict[str, list[float]] = field(default_factory=dict)
    pipeline_per_s: dict[str, list[float]] = field(default_factory=dict)
    cuda: list[dict[str, object]] = field(default_factory=list)

    def add(self, kind: str, key: str, rate: float) -> None:
        getattr(self, kind).setdefault(key, []).append(rate)


def main(repetitions: int, quick: bool, folder: Path) -> None:
    """Measure and print."""
    checkpoint = shipped()
    cases = _cases(checkpoint, quick=quick)
    samples = Samples()
    with opened(folder, _FILES["quick" if quick else "full"]) as pipeline:
        for repetition in range(-1, repetitions):
            # The first round warms up; nothing of it is kept.
            kept = samples if repetition >= 0 else Samples()
            _round(repetition, repetitions, cases, pipeline, kept, quick=quick)
            cuda = measure_cuda(checkpoint, WIDE)
            if cuda is not None:
                kept.cuda.append(cuda)
        worker = pipeline.settings.worker
        facts = {
            "encoder": checkpoint.name,
            "size": checkpoint.info.preprocess.size,
            "threads": torch.get_num_threads(),
            "decode_processes": worker.decode_processes,
        }
    _print(facts | vars(samples))


def _cases(checkpoint: Checkpoint, *, quick: bool) -> list[Case]:
    return [
        Case(size, batch, contender)
        for size in sorted({checkpoint.info.preprocess.size, WIDE})
        for contender in contenders(checkpoint, size)
        for batch in BATCHES
        if not (quick and batch > 32)
        if batch > 1 or "side by side" not in contender.name
    ]


def _round(
    repetition: int,
    repetitions: int,
    cases: list[Case],
    pipeline: Pipeline,
    samples: Samples,
    *,
    quick: bool,
) -> None:
    """One repetition; whoever begins in one ends in another."""
    turn, done = repetition % len(cases), (repetition + 1) * len(cases)
    for number, case in enumerate((*cases[turn:], *cases[:turn])):
        _print({"progress": [case.key, done + number, (repetitions + 1) * len(cases)]})
        samples.add("slices_per_s", case.key, case.rate(quick=quick or repetition < 0))
    config = pipeline.embedder.preprocess_config
    modalities: tuple[Modality, ...] = ("CT", "MR")
    for modality in modalities:
        samples.add("prepared_per_s", modality, _preparing_rate(modality, config))
    for name, rate in pipeline.rates().items():
        samples.add("pipeline_per_s", name, rate)


def _preparing_rate(modality: Modality, config: PreprocessConfig) -> float:
    """Slices per second of preprocessing alone, in one process."""
    pixels = head(modality)
    started = perf_counter()
    for _ in range(_SLICES):
        prepare(pixels, modality=modality, config=config)
    return _SLICES / (perf_counter() - started)


def _print(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] == "quick", Path(sys.argv[3]))
