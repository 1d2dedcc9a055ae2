"""From what a user asks to a training run: which slices, which folds, which configuration."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from model.checkpoint import Checkpoint, load
from model.errors import TrainingError
from model.manifest import ManifestRow, read_manifest
from model.training.config import RunOptions, TrainConfig
from model.training.recipes import DEFAULT_RECIPE, read_recipe
from service.errors import InvalidParameter
from service.opening import object_store, open_gallery
from service.settings import Settings
from service.training_set import gallery_slices


@dataclass(frozen=True)
class LabelledSlices:
    """Slices to train with; `statement` says what they are, `notes` what was left out."""

    rows: tuple[ManifestRow, ...]
    statement: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """Rows to learn from, and rows to watch, which may be none."""

    training: tuple[ManifestRow, ...]
    validation: tuple[ManifestRow, ...]


@dataclass(frozen=True)
class TrainingPlan:
    """A run as asked for.

    `planes` is a CSV of group,plane; `start` are weights to begin with; without `resume` the folder
    must hold no run.
    """

    config: TrainConfig
    options: RunOptions
    out_dir: Path
    resume: bool = True
    planes: Path | None = None
    start: Checkpoint | None = None


def listed_slices(manifest: Path) -> LabelledSlices:
    """All rows of a list. Raises ManifestError if it cannot be read."""
    rows = read_manifest(manifest)
    numbers = sorted(Counter(row.label for row in rows).items())
    labels = ", ".join(f"{name} {count}" for name, count in numbers)
    groups = len({row.patient_id for row in rows})
    return LabelledSlices(rows, f"{len(rows)} listed slices of {groups} groups; labels: {labels}")


def own_slices(settings: Settings, sources: Collection[str], study_labels: bool) -> LabelledSlices:
    """The gallery's labelled slices.

    Raises:
        InvalidParameter: there are none.
    """
    with open_gallery(settings) as engine, engine.connect() as connection:
        found = gallery_slices(
            connection, object_store(settings), sources=sources, study_labels=study_labels
        )
    notes = (f"{number} instances left out: {why}" for why, number in found.left_out.items())
    return LabelledSlices(found.rows, found.statement(), tuple(notes))


def split_by_fold(
    rows: Sequence[ManifestRow], training: str | None, validation: str | None
) -> Split:
    """Rows by folds such as "1,2,3" or "none"; unset, all that do not validate train.

    Raises:
        InvalidParameter: folds are no numbers, are on both sides, or hold no slice.
    """
    known, watched = {row.fold for row in rows}, _folds(validation) or set()
    asked = _folds(training)
    learnt = known - watched if asked is None else asked
    if both := learnt & watched:
        raise InvalidParameter(f"fold {min(both)} cannot both train and validate")
    if missing := (learnt | watched) - known:
        raise InvalidParameter(
            f"fold {min(missing)} holds no slice; folds are {', '.join(map(str, sorted(known)))}"
        )
    if not learnt:
        raise InvalidParameter("no fold is left to train on")
    return Split(
        tuple(row for row in rows if row.fold in learnt),
        tuple(row for row in rows if row.fold in watched),
    )


def _folds(text: str | None) -> set[int] | None:
    if text is None or text.strip().lower() in ("", "none"):
        return None if text is None else set()
    try:
        return {int(part) for part in text.split(",")}
    except ValueError:
        raise InvalidParameter(f"folds are numbers as in 1,2,3, not {text!r}") from None


def configure(
    name: str | None,
    start: Checkpoint | None,
    epochs: int | None,
    seed: int | None,
    statement: str,
) -> TrainConfig:
    """The configuration of a TOML file or a recipe, with overrides.

    Without a name it is the default recipe, with network and preprocessing of the `start`. The
    checkpoint will say `statement` of its data unless the configuration has words of its own.

    Raises:
        InvalidParameter: the file cannot be read or holds something unknown.
    """
    try:
        config = read_recipe(name or DEFAULT_RECIPE)
    except TrainingError as error:
        raise InvalidParameter(str(error)) from error
    if name is None and start is not None:
        config = replace(config, network=start.info.network, preprocess=start.info.preprocess)
    schedule = config.schedule
    if epochs is not None:
        schedule = replace(schedule, epochs=epochs)
    if seed is not None:
        schedule = replace(schedule, seed=seed)
    return replace(config, schedule=schedule, data_statement=config.data_statement or statement)


def run_options(
    device: str, threads: int | None, compile_steps: bool, tensorboard: bool
) -> RunOptions:
    """How to carry the run out; `device` is "auto", "cpu" or "cuda".

    Raises:
        InvalidParameter: a GPU is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InvalidParameter("this machine has no GPU that torch can use: choose --device cpu")
    chosen = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    return RunOptions(chosen, threads, compile_steps, tensorboard=tensorboard)


def load_start(path: Path | None) -> Checkpoint | None:
    """The checkpoint to begin with, if any. Raises CheckpointError if it is none of ours."""
    return None if path is None else load(path)
