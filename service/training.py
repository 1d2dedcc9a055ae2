"""Carries out a training run: decodes the slices and hands them to `model.training`.

That package knows no DICOM. This one shows nothing: whoever watches does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Protocol

from model.dataset import Dataset
from model.manifest import ManifestRow, load_dataset, read_planes
from model.training.config import EpochMetrics
from model.training.distributed import World
from model.training.export import export
from model.training.train import fit
from service.settings import WorkerSettings
from service.slices import slice_decoder
from service.training_plan import Split, TrainingPlan


@dataclass(frozen=True)
class TrainingSets:
    """Decoded and prepared slices of both sides; `unreadable` files gave none and are left out."""

    training: Dataset
    validation: Dataset | None
    unreadable: tuple[Path, ...] = ()


@dataclass(frozen=True)
class TrainingResult:
    """What came of a run; figures of validation are those of the last epoch, in 0..1."""

    checkpoint: Path
    epochs: int
    training_slices: int
    validation_slices: int
    labels: tuple[str, ...]
    seconds: float
    validation_macro_map: float | None
    validation_macro_p10: float | None
    unreadable: tuple[Path, ...] = ()


class Watcher(Protocol):
    """Hears how far a run is."""

    def reading(self, done: int, total: int) -> None:
        """So many files are decoded."""

    def step(self, done: int, total: int) -> None:
        """So many steps are taken, those before an interruption among them."""

    def epoch(self, metrics: EpochMetrics) -> None:
        """An epoch is over."""


def load_sets(
    split: Split, plan: TrainingPlan, settings: WorkerSettings, watcher: Watcher
) -> TrainingSets:
    """Decode and prepare all slices; labels of both sides have the same numbers.

    Raises:
        InvalidParameter: more than a few files are no images, or one has several frames.
        ManifestError: the list of planes cannot be read.
    """
    rows = (*split.training, *split.validation)
    names = sorted({row.label for row in rows})
    planes = None if plan.planes is None else read_planes(plan.planes)
    with slice_decoder(settings, [row.path for row in rows]) as decode:

        def load(part: Sequence[ManifestRow], before: int) -> Dataset:
            return load_dataset(
                part,
                decode,
                plan.config.preprocess,
                label_names=names,
                planes=planes,
                progress=lambda done, _of_part: watcher.reading(before + done, len(rows)),
                named_by=plan.named_by,
            )

        train_set = load(split.training, 0)
        watched = load(split.validation, len(split.training)) if split.validation else None
    return TrainingSets(train_set, watched, tuple(decode.unreadable))


def train_encoder(
    plan: TrainingPlan, sets: TrainingSets, watcher: Watcher, world: World
) -> TrainingResult:
    """Train, or go on training. Figures of validation are those of the run, finished or not.

    Raises:
        TrainingError: the folder holds another run, the slices cannot teach, leak, or the run
            fails.
    """
    started = monotonic()
    state = fit(
        plan.config,
        sets.training,
        sets.validation,
        plan.out_dir,
        watcher.epoch,
        plan.options,
        watcher.step,
        start=plan.start,
        world=world,
    )
    checkpoint = world.first(
        lambda: export(state, sets.training, plan.out_dir, forget_patients=plan.forget_patients)
    )
    last, watched = state.history[-1], sets.validation is not None
    return TrainingResult(
        checkpoint=checkpoint,
        epochs=plan.config.schedule.epochs,
        training_slices=len(sets.training),
        validation_slices=0 if sets.validation is None else len(sets.validation),
        labels=sets.training.label_names,
        seconds=round(monotonic() - started, 1),
        validation_macro_map=last.validation_map if watched else None,
        validation_macro_p10=last.validation_precision_at_10 if watched else None,
        unreadable=sets.unreadable,
    )
