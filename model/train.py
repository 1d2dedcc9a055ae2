"""Trains the encoder: an honest softmax loop that can be interrupted and taken up again.

It takes prepared data sets, so it reads no images and knows no DICOM. The validation set is only
watched: nothing is chosen by it.
"""

import csv
import time
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from model import checkpoint
from model.augment import augment
from model.dataset import Dataset
from model.errors import TrainingError
from model.evaluate import score
from model.sampling import epoch_batches, one_cycle, slice_weights
from model.train_config import EpochMetrics, TrainConfig
from model.training_state import TrainingState

Progress = Callable[[EpochMetrics], None]

_EMBED_AT_ONCE = 64


def train(
    config: TrainConfig,
    train_set: Dataset,
    validation_set: Dataset,
    out_dir: Path,
    progress: Progress,
) -> Path:
    """Train, or go on training, and return the checkpoint made from the averaged weights.

    Each epoch leaves `resume.pt` and `metrics.csv` in `out_dir` and calls `progress`. Validation
    ranks the training set for every validation slice. Sets torch's number of threads if
    `config.threads` is given. Raises TrainingError if the sets do not fit each other or `out_dir`
    holds another run.
    """
    if train_set.label_names != validation_set.label_names:
        raise TrainingError("training and validation set have different labels")
    if train_set.preprocess != validation_set.preprocess:
        raise TrainingError("training and validation set were prepared differently")
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    out_dir.mkdir(parents=True, exist_ok=True)
    state = TrainingState(config, len(train_set.label_names))
    state.resume(out_dir)
    for epoch in range(len(state.history) + 1, config.epochs + 1):
        metrics = _train_epoch(state, train_set, validation_set, epoch)
        state.history.append(metrics)
        state.save(out_dir)
        _write_metrics(out_dir / "metrics.csv", state.history)
        progress(metrics)
    return export(state, train_set, out_dir)


def export(state: TrainingState, train_set: Dataset, out_dir: Path) -> Path:
    """Write the averaged network, without the head, as a checkpoint."""
    network, _ = state.averaged()
    weights = {
        name: tensor.cpu().numpy()
        for name, tensor in network.state_dict().items()
        if tensor.is_floating_point()
    }
    last = state.history[-1]
    metrics = {"epochs": float(last.epoch), "train_loss": last.loss}
    if last.validation_map is not None and last.validation_precision_at_10 is not None:
        metrics["validation_macro_map"] = last.validation_map
        metrics["validation_macro_p10"] = last.validation_precision_at_10
    info = checkpoint.CheckpointInfo(
        network=state.config.network,
        preprocess=train_set.preprocess,
        label_names=train_set.label_names,
        data_statement=state.config.data_statement,
        metrics=metrics,
        training=state.config.identity(),
    )
    return checkpoint.save(out_dir, weights, info)


def _train_epoch(
    state: TrainingState, train_set: Dataset, validation_set: Dataset, epoch: int
) -> EpochMetrics:
    config, started = state.config, time.monotonic()
    weights = slice_weights(train_set.labels, train_set.groups, config.class_balance)
    batches = epoch_batches(weights, config.batch_size, config.seed, epoch)
    generator = torch.Generator().manual_seed(config.seed * 100_003 + epoch)
    state.network.train()
    state.head.train()
    loss = correct = rate = 0.0
    for batch in batches:
        rate = one_cycle(state.step, config.epochs * len(batches), config.peak_learning_rate)
        images = augment(_tensor(train_set.images[batch]), config.augment, generator)
        labels = torch.from_numpy(train_set.labels[batch]).to(config.device)
        batch_loss, batch_correct = _train_step(state, images, labels, rate)
        loss += batch_loss / len(batches)
        correct += batch_correct / len(batches)
    figures: tuple[float, float] | tuple[None, None] = (None, None)
    if epoch % config.validate_every == 0 or epoch == config.epochs:
        figures = _validate(state, train_set, validation_set)
    return EpochMetrics(epoch, loss, correct, rate, time.monotonic() - started, *figures)


def _train_step(
    state: TrainingState, images: Tensor, labels: Tensor, rate: float
) -> tuple[float, float]:
    """One step of the optimiser; returns loss and accuracy of the batch."""
    config = state.config
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    half = config.precision == "bfloat16"
    images = images.to(config.device, memory_format=torch.channels_last)
    with torch.autocast(torch.device(config.device).type, torch.bfloat16, enabled=half):
        embedding = state.network(images)
    logits = state.head(embedding.float())
    loss = functional.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(state.parameters(), config.clip_norm)
    state.optimizer.step()
    state.step += 1
    state.update_average()
    return loss.item(), (logits.argmax(1) == labels).float().mean().item()


@torch.no_grad()
def _validate(
    state: TrainingState, train_set: Dataset, validation_set: Dataset
) -> tuple[float, float]:
    """Macro mAP and P@10 of the validation slices against the training slices."""
    network, _ = state.averaged()
    queries = _embed(network.embed, validation_set.images, state.config.device)
    gallery = _embed(network.embed, train_set.images, state.config.device)
    scores = score(queries, validation_set.labels, gallery, train_set.labels, ks=(10,))
    return scores.macro_map, scores.macro_precision_at[10]


def _embed(
    embed: Callable[[Tensor], Tensor], images: NDArray[np.float32], device: str
) -> NDArray[np.float32]:
    parts = [
        embed(_tensor(images[n : n + _EMBED_AT_ONCE]).to(device)).cpu().numpy()
        for n in range(0, len(images), _EMBED_AT_ONCE)
    ]
    return np.concatenate(parts)


def _tensor(images: NDArray[np.float32]) -> Tensor:
    """(N, S, S) as a (N, 1, S, S) tensor."""
    return torch.from_numpy(images)[:, None]


def _write_metrics(path: Path, history: list[EpochMetrics]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(EpochMetrics)])
        writer.writeheader()
        writer.writerows(asdict(metrics) for metrics in history)
