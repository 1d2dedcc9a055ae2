"""The steps of a training run, an epoch at a time: draw, augment, learn, and now and then validate.

It keeps no files: the state between epochs is the run's.
"""

import time
from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.dataset import Dataset
from model.errors import TrainingError
from model.evaluation.measures import score
from model.training.batch import Batch, make_batch
from model.training.config import EpochMetrics, RunOptions
from model.training.distributed import World
from model.training.embedding import embed
from model.training.heads import HeadOutputs
from model.training.losses import total_loss
from model.training.pace import Pace
from model.training.sampling import BatchSampler
from model.training.saved_run import RESUME_FILE
from model.training.state import TrainingState

StepProgress = Callable[[int, int], None]

_FIGURES = (
    "loss",
    "softmax_loss",
    "contrastive_loss",
    "lesion_loss",
    "plane_loss",
    "accuracy",
    "hash_loss",
)
_EPOCH_SEEDS = 100_003  # so that epochs of neighbouring seeds share no draws
_RANK_SEEDS = 1_000_000_007


class Steps:
    """Takes the optimiser's steps on a training set; `world` says which share of them is ours."""

    def __init__(
        self,
        state: TrainingState,
        train_set: Dataset,
        validation_set: Dataset | None,
        options: RunOptions,
        on_step: StepProgress | None,
        world: World,
    ) -> None:
        self._state, self._options, self._world = state, options, world
        self._train_set, self._validation_set = train_set, validation_set
        self._on_step = on_step
        self._sampler = BatchSampler(train_set.labels, train_set.groups, state.config.sampling)
        self._pace = Pace.of(state.config.schedule, self._sampler.steps)
        self._forward = torch.compile(state.trainee) if options.compile else state.trainee

    def epoch(self, epoch: int) -> EpochMetrics:
        """One pass over as many slices as the set has, and validation where it is due.

        Raises TrainingError if a loss or a gradient is no number, or a norm cannot settle.
        """
        state, schedule = self._state, self._state.config.schedule
        started = time.monotonic()
        seed = schedule.seed * _EPOCH_SEEDS + epoch + self._world.rank * _RANK_SEEDS
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)  # drop_path draws where the network stands
        state.trainee.train()
        calm = epoch > schedule.lively_epochs
        variation = state.config.augment.calmed() if calm else state.config.augment
        sums, rate = np.zeros(len(_FIGURES)), 0.0
        for drawn in self._sampler.epoch(schedule.seed, epoch):
            rate = self._pace.rate(state.step)
            chosen = self._world.shard(drawn)
            batch = make_batch(self._train_set, chosen, variation, generator)
            figures = self._step(batch.to(state.device), rate)
            if not np.isfinite(figures).all():
                raise TrainingError(_diverged(epoch))
            sums += figures[: len(_FIGURES)]
            if self._on_step is not None:
                self._on_step(state.step, self._pace.total)
        if schedule.settle and epoch == schedule.epochs:
            state.settle_average(self._train_set.images)  # each process alike, as all read all
        found_map, found_precision = self._validate(epoch)
        means = dict(zip(_FIGURES, (sums / self._sampler.steps).tolist(), strict=True))
        if not state.config.hash.bits:
            del means["hash_loss"]
        seconds = time.monotonic() - started
        return EpochMetrics(
            epoch=epoch,
            **means,
            learning_rate=rate,
            seconds=seconds,
            validation_map=found_map,
            validation_precision_at_10=found_precision,
        )

    def _step(self, batch: Batch, rate: float) -> NDArray[np.float64]:
        """One step of the optimiser: its losses, the share of right labels and the gradient's norm.

        They are those of the whole batch, whatever the share of this process.
        """
        state = self._state
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        embedding, heads = self._forward(batch.images)
        embedding, heads, batch = gathered(embedding, heads, batch, self._world)
        losses = total_loss(
            embedding, heads, batch, state.config.loss, state.config.hash.quantisation
        )
        state.optimizer.zero_grad()
        (losses.total + losses.codes).backward()  # type: ignore[no-untyped-call]
        self._world.average_gradients(state.trainee)
        norm = clip_gradients(state, state.config.schedule.clip_norm)
        state.optimizer.step()
        state.update_average(self._pace.age(state.step) + 1)
        state.step += 1
        right = (heads.labels.argmax(dim=1) == batch.labels).float().mean()
        parts = (losses.total, losses.softmax, losses.contrastive, losses.lesion, losses.plane)
        figures = (*parts, right, losses.codes, norm)
        return torch.stack(figures).detach().double().cpu().numpy()

    def _validate(self, epoch: int) -> tuple[float | None, float | None]:
        """Macro mAP and P@10 of the validation slices against the training slices, when due."""
        due = epoch % self._options.validate_every == 0
        last = epoch == self._state.config.schedule.epochs
        validation_set = self._validation_set
        if validation_set is None or not (due or last) or not self._world.is_main:
            return None, None
        network, device = self._state.averaged(), self._state.device
        queries = embed(network, validation_set.images, device)
        gallery = embed(network, self._train_set.images, device)
        labels = validation_set.labels, self._train_set.labels
        scores = score(queries, labels[0], gallery, labels[1], ks=(10,))
        return scores.macro_map, scores.macro_precision_at[10]


def gathered(
    embedding: Tensor, heads: HeadOutputs, batch: Batch, world: World
) -> tuple[Tensor, HeadOutputs, Batch]:
    """What all processes found of their shares; each loss is then that of the whole batch."""
    if world.size == 1:
        return embedding, heads, batch
    said = {f.name: getattr(heads, f.name) for f in fields(heads)}
    # Codes of no bits cannot be sent.
    said |= {name: world.gather(part) for name, part in said.items() if part.numel()}
    known = {f.name: getattr(batch, f.name) for f in fields(batch) if f.name != "images"}
    facts = {name: world.gather(fact) for name, fact in known.items()}
    return world.gather(embedding), HeadOutputs(**said), replace(batch, **facts)


def clip_gradients(state: TrainingState, longest: float) -> Tensor:
    """Shorten the gradient, of the hash head apart, so that it slows down nothing but itself.

    Returns the sum of both lengths.
    """
    groups = (state.embedding_parameters(), state.hash_parameters())
    norms = [nn.utils.clip_grad_norm_(group, longest) for group in groups]
    return norms[0] + norms[1]


def _diverged(epoch: int) -> str:
    return (
        f"the loss is no number any more in epoch {epoch}; the run stops, and {RESUME_FILE} keeps "
        'the epoch before. Try a lower peak_learning_rate, or precision = "float32", '
        "in another folder"
    )
