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
from model.training.train import train
from service.errors import InvalidParameter
from service.settings import WorkerSettings
from service.slices import slice_decoder
from service.training_plan import Split, TrainingPlan

RESUME_FILE = "resume.pt"


@dataclass(frozen=True)
class TrainingSets:
    """Decoded and prepared slices of both sides."""

    training: Dataset
    validation: Dataset | None


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
        InvalidParameter: a file is no image.
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
            )

        train_set = load(split.training, 0)
        watched = load(split.validation, len(train_set)) if split.validation else None
    return TrainingSets(train_set, watched)


def train_encoder(
    plan: TrainingPlan, sets: TrainingSets, watcher: Watcher, world: World
) -> TrainingResult:
    """Train, or go on training.

    Raises:
        InvalidParameter: the folder holds a run that is not to be taken up.
        TrainingError: the slices cannot teach, leak, or the run fails.
    """
    _refuse_another_run(plan)
    started, history = monotonic(), list[EpochMetrics]()

    def told(metrics: EpochMetrics) -> None:
        history.append(metrics)
        watcher.epoch(metrics)

    checkpoint = train(
        plan.config,
        sets.training,
        sets.validation,
        plan.out_dir,
        told,
        plan.options,
        watcher.step,
        start=plan.start,
        world=world,
    )
    last = history[-1] if history else None
    return TrainingResult(
        checkpoint=checkpoint,
        epochs=plan.config.schedule.epochs,
        training_slices=len(sets.training),
        validation_slices=0 if sets.validation is None else len(sets.validation),
        labels=sets.training.label_names,
        seconds=round(monotonic() - started, 1),
        validation_macro_map=last.validation_map if last else None,
        validation_macro_p10=last.validation_precision_at_10 if last else None,
    )


def _refuse_another_run(plan: TrainingPlan) -> None:
    if not plan.resume and (plan.out_dir / RESUME_FILE).exists():
        raise InvalidParameter(
            f"{plan.out_dir} holds a run already: go on with it by --resume, or name another --out"
        )
