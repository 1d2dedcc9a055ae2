"""From what a user asks to a training run: which slices, which folds, which configuration."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from model.checkpoint import Checkpoint, GroupKind, load
from model.errors import TrainingError
from model.manifest import ManifestRow, read_manifest
from model.training.config import RunOptions, TrainConfig
from model.training.recipes import DEFAULT_RECIPE, RELEASE_RECIPE, read_recipe
from service.errors import InvalidParameter
from service.fold_lists import read_folds
from service.opening import object_store, open_gallery
from service.settings import Settings
from service.training_freeze import Asked, GalleryList, thaw
from service.training_set import gallery_slices


@dataclass(frozen=True)
class LabelledSlices:
    """Slices to train with; `statement` says what they are, `notes` what was left out.

    `gallery` is the list that a run on the gallery must keep, so that it can be taken up again.
    """

    rows: tuple[ManifestRow, ...]
    statement: str
    notes: tuple[str, ...] = ()
    gallery: GalleryList | None = None

    @property
    def named_by(self) -> GroupKind:
        """Whether the rows name patients by ID or by key."""
        return "patient_id" if self.gallery is None else "patient_key"


@dataclass(frozen=True)
class Split:
    """Rows to learn from, and rows to watch, which may be none."""

    training: tuple[ManifestRow, ...]
    validation: tuple[ManifestRow, ...]


@dataclass(frozen=True)
class TrainingPlan:
    """A run as asked for.

    `planes` is a CSV of group,plane; `start` are weights to begin with; without `resume` the folder
    must hold no run. `named_by` tells what the rows call a patient by; to `forget_patients` keeps
    the list of them out of the checkpoint.
    """

    config: TrainConfig
    options: RunOptions
    out_dir: Path
    resume: bool = True
    planes: Path | None = None
    start: Checkpoint | None = None
    named_by: GroupKind = "patient_id"
    forget_patients: bool = False


def listed_slices(manifest: Path) -> LabelledSlices:
    """All rows of a list. Raises ManifestError if it cannot be read."""
    rows = read_manifest(manifest)
    numbers = sorted(Counter(row.label for row in rows).items())
    labels = ", ".join(f"{name} {count}" for name, count in numbers)
    groups = len({row.patient_id for row in rows})
    return LabelledSlices(rows, f"{len(rows)} listed slices of {groups} groups; labels: {labels}")


def own_slices(settings: Settings, asked: Asked, out_dir: Path) -> LabelledSlices:
    """The gallery's labelled slices, or those that the run in `out_dir` began with.

    Raises:
        InvalidParameter: there are none, or that run was told to learn from other labels.
    """
    if (began := thaw(out_dir, asked)) is not None:
        note = (
            f"the run in {out_dir} goes on with the {len(began.slices.rows)} slices that it began "
            "with; labels recorded since do not count"
        )
        return LabelledSlices(began.slices.rows, began.slices.statement(), (note,), began)
    with open_gallery(settings) as engine, engine.connect() as connection:
        found = gallery_slices(
            connection,
            object_store(settings),
            sources=asked.sources,
            study_labels=asked.study_labels,
        )
    notes = (f"{number} instances left out: {why}" for why, number in found.left_out.items())
    kept = GalleryList(asked, found)
    return LabelledSlices(found.rows, found.statement(), tuple(notes), kept)


def split_by_fold(
    rows: Sequence[ManifestRow], training: str | None, validation: str | None
) -> Split:
    """Rows by folds such as "1,2,3" or "none"; unset, all that do not validate train.

    Raises:
        InvalidParameter: folds are no numbers, are on both sides, or hold no slice.
    """
    known, watched = {row.fold for row in rows}, set(read_folds(validation) or ())
    asked = read_folds(training)
    learnt = known - watched if asked is None else set(asked)
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


def configure(
    name: str | None,
    start: Checkpoint | None,
    epochs: int | None,
    seed: int | None,
    statement: str,
    *,
    release: bool = False,
) -> TrainConfig:
    """The configuration of a TOML file or a recipe, with overrides.

    Without a name it is the default recipe. Network and preprocessing are those of the `start`, but
    for what the configuration itself names. The checkpoint will say `statement` of its data unless
    the configuration has words of its own.

    Raises:
        InvalidParameter: the file cannot be read or holds something unknown or out of range, or it
            is the recipe of a `release` and this is none.
    """
    if name == RELEASE_RECIPE and not release:
        raise InvalidParameter(
            f"the recipe {name} says of the data what is true of the encoders that ship alone: "
            f"take {DEFAULT_RECIPE}, or a file of your own"
        )
    try:
        return _configured(name, start, epochs, seed, statement)
    except TrainingError as error:
        raise InvalidParameter(str(error)) from error


def _configured(
    name: str | None,
    start: Checkpoint | None,
    epochs: int | None,
    seed: int | None,
    statement: str,
) -> TrainConfig:
    if name is None:
        # The recipe's file names all of both sections, which would count as the user's own words.
        config = read_recipe()
        if start is not None:
            config = replace(config, network=start.info.network, preprocess=start.info.preprocess)
    else:
        config = read_recipe(name, start)
    schedule = config.schedule
    if epochs is not None:
        schedule = replace(schedule, epochs=epochs)
    if seed is not None:
        schedule = replace(schedule, seed=seed)
    return replace(config, schedule=schedule, data_statement=config.data_statement or statement)


def run_options(
    device: str,
    threads: int | None,
    compile_steps: bool,
    tensorboard: bool,
    start_saw_none: bool = False,
) -> RunOptions:
    """How to carry the run out; `device` is "auto", "cpu" or "cuda".

    Raises:
        InvalidParameter: a GPU is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InvalidParameter("this machine has no GPU that torch can use: choose --device cpu")
    chosen = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    return RunOptions(
        chosen,
        threads,
        compile_steps,
        tensorboard=tensorboard,
        start_saw_none=start_saw_none,
    )


def load_start(path: Path | None) -> Checkpoint | None:
    """The checkpoint to begin with, if any. Raises CheckpointError if it is none of ours."""
    return None if path is None else load(path)
