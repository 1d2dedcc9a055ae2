"""Writes a run's metrics: a CSV file that is whole after every epoch, and TensorBoard's file."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from model.training.config import EpochMetrics
from model.training.tensorboard import EVENT_FILE, write_events


def write_journal(folder: Path, history: Sequence[EpochMetrics], *, tensorboard: bool) -> None:
    """`metrics.csv` and, if wanted, an event file, each with all epochs so far."""
    write_metrics(folder / "metrics.csv", history)
    if tensorboard:
        write_events(folder / EVENT_FILE, history)


def write_metrics(path: Path, history: Sequence[EpochMetrics]) -> None:
    """One line an epoch, the figures of validation empty where there was none."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(EpochMetrics)])
        writer.writeheader()
        writer.writerows(asdict(metrics) for metrics in history)
