"""Trains the encoder: a run that can be interrupted and taken up again.

It takes prepared data sets, so it reads no images and knows no DICOM. The validation set is only
watched: nothing is chosen by it.
"""

from collections.abc import Callable
from pathlib import Path

import torch

from model.checkpoint import Checkpoint
from model.dataset import Dataset
from model.errors import TrainingError
from model.msnet import MSNet
from model.training.config import EpochMetrics, RunOptions, TrainConfig
from model.training.distributed import World
from model.training.journal import write_journal
from model.training.leaks import check_sets
from model.training.network import MakeNetwork
from model.training.origin import Origin
from model.training.run_identity import RunIdentity
from model.training.saved_run import refuse_other_start
from model.training.state import TrainingState
from model.training.steps import StepProgress, Steps

__all__ = ["EpochProgress", "StepProgress", "fit"]

EpochProgress = Callable[[EpochMetrics], None]

_ALONE = World()


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
    """Train, or go on training, and return the state at the end, which `export` writes.

    Each epoch leaves `resume.pt`, `metrics.csv` and a TensorBoard file in `out_dir` and calls
    `on_epoch`; `on_step` hears of every step (steps done, steps in all). Validation ranks the
    training set for every validation slice. `start` gives the weights to begin with; a run that is
    taken up has them already and takes no others. `world` says which of several processes this is,
    `make_network` what is trained. Raises TrainingError if the sets leak into each other or cannot
    teach, if `out_dir` holds another run, if `start` has another network, if a norm cannot
    settle, or if the loss is no number any more; the last whole epoch can then be taken up.
    """
    options = options or RunOptions()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    identity = RunIdentity.of(config, train_set, validation_set)
    _require_same(identity, world)
    state = TrainingState(config, identity, world.device(options.device), make_network)
    _begin(state, train_set, validation_set, out_dir, start, options.start_saw_none)
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


def _require_same(identity: RunIdentity, world: World) -> None:
    if world.first(lambda: identity) != identity:
        raise TrainingError("the processes of this run do not read the same slices")


def _begin(
    state: TrainingState,
    train_set: Dataset,
    validation_set: Dataset | None,
    out_dir: Path,
    start: Checkpoint | None,
    saw_none: bool,
) -> None:
    """Take up the run of the folder, or make one that begins with `start`; see that the sets fit.

    Raises TrainingError if they do not.
    """
    origin = None if start is None else Origin.of(start, saw_none)
    if state.resume(out_dir):
        refuse_other_start(out_dir, origin, state.origin)
        check_sets(train_set, validation_set, state.origin)
        return
    check_sets(train_set, validation_set, origin)
    if start is not None and origin is not None:
        state.start_from(start, origin)
    out_dir.mkdir(parents=True, exist_ok=True)
