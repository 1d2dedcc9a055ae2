"""Trains the encoder: a run that can be interrupted and taken up again.

It takes prepared data sets, so it reads no images and knows no DICOM. The validation set is only
watched: nothing is chosen by it.
"""

from collections.abc import Callable
from pathlib import Path

import torch

from model.checkpoint import Checkpoint
from model.dataset import Dataset
from model.msnet import MSNet
from model.training.config import EpochMetrics, RunOptions, TrainConfig
from model.training.distributed import World
from model.training.export import export
from model.training.journal import write_journal
from model.training.leaks import check_sets
from model.training.network import MakeNetwork
from model.training.state import TrainingState
from model.training.steps import StepProgress, Steps

__all__ = ["EpochProgress", "StepProgress", "fit", "train"]

EpochProgress = Callable[[EpochMetrics], None]

_ALONE = World()


def train(
    config: TrainConfig,
    train_set: Dataset,
    validation_set: Dataset | None,
    out_dir: Path,
    on_epoch: EpochProgress,
    options: RunOptions | None = None,
    on_step: StepProgress | None = None,
    *,
    start: Checkpoint | None = None,
    world: World = _ALONE,
) -> Path:
    """Train, or go on training, and return the checkpoint made from the averaged weights.

    Each epoch leaves `resume.pt`, `metrics.csv` and a TensorBoard file in `out_dir` and calls
    `on_epoch`; `on_step` hears of every step (steps done, steps in all). Validation ranks the
    training set for every validation slice. `start` gives the weights to begin with; `world` says
    which of several processes this is. Raises TrainingError if the sets leak into each other or
    cannot teach, if `out_dir` holds another run, if `start` has another network, or if the loss is
    no number any more; the last whole epoch can then be taken up.
    """
    state = fit(
        config,
        train_set,
        validation_set,
        out_dir,
        on_epoch,
        options,
        on_step,
        start=start,
        world=world,
    )
    return world.first(lambda: export(state, train_set, out_dir))


def fit(
    config: TrainConfig,
    train_set: Dataset,
    validation_set: Dataset | None,
    out_dir: Path,
    on_epoch: EpochProgress,
    options: RunOptions | None = None,
    on_step: StepProgress | None = None,
    *,
    start: Checkpoint | None = None,
    world: World = _ALONE,
    make_network: MakeNetwork = MSNet,
) -> TrainingState:
    """Train as `train` does, any network that `make_network` makes; the state at the end."""
    options = options or RunOptions()
    check_sets(train_set, validation_set, start)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    out_dir.mkdir(parents=True, exist_ok=True)
    device = world.device(options.device)
    state = TrainingState(config, len(train_set.label_names), device, make_network)
    if not state.resume(out_dir) and start is not None:
        state.start_from(start)
    world.share_norms(state.trainee)
    steps = Steps(state, train_set, validation_set, options, on_step, world)
    for epoch in range(len(state.history) + 1, config.schedule.epochs + 1):
        metrics = steps.epoch(epoch)
        state.history.append(metrics)
        if world.is_main:
            state.save(out_dir)
            write_journal(out_dir, state.history, tensorboard=options.tensorboard)
        on_epoch(metrics)
    return state
