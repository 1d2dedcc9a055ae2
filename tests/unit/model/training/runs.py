"""Whole runs on drawn slices that a test can afford."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from model.checkpoint import Checkpoint
from model.dataset import Dataset
from model.training.config import EpochMetrics, RunOptions, ScheduleConfig, TrainConfig
from model.training.distributed import World
from model.training.export import export
from model.training.steps import StepProgress
from model.training.train import fit
from tests.unit.model.made import dataset
from tests.unit.model.training.settings import QUICK

TRAIN_SET, VALIDATION_SET = dataset(64, seed=1), dataset(16, seed=2)
OPTIONS = RunOptions(threads=1, validate_every=2)

Trained = tuple[Path, list[EpochMetrics]]


class Interrupted(Exception):
    """What a test stops a run by."""


def interrupt_at(epoch: int) -> Callable[[EpochMetrics], None]:
    """Stops a run when it tells of an epoch."""

    def interrupt(metrics: EpochMetrics) -> None:
        if metrics.epoch == epoch:
            raise Interrupted

    return interrupt


def scheduled(**changes: object) -> TrainConfig:
    """The quick run with another schedule."""
    schedule: ScheduleConfig = replace(QUICK.schedule, **changes)
    return replace(QUICK, schedule=schedule)


def train(
    config: TrainConfig,
    train_set: Dataset,
    validation_set: Dataset | None,
    folder: Path,
    on_epoch: Callable[[EpochMetrics], None],
    options: RunOptions = OPTIONS,
    on_step: StepProgress | None = None,
    *,
    start: Checkpoint | None = None,
    world: World | None = None,
) -> Path:
    """The checkpoint of a run."""
    world = world or World()
    state = fit(
        config,
        train_set,
        validation_set,
        folder,
        on_epoch,
        options,
        on_step,
        start=start,
        world=world,
    )
    return world.first(lambda: export(state, train_set, folder))


def run(config: TrainConfig, folder: Path) -> Trained:
    """A run's checkpoint, and the epochs that it told of."""
    seen: list[EpochMetrics] = []
    return train(config, TRAIN_SET, VALIDATION_SET, folder, seen.append), seen
