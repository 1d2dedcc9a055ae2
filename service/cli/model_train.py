"""`precuneus model train`: an encoder from the labelled slices of a list, or of the gallery."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import Progress

from service.cli import train_options as given
from service.cli.device import Device, DeviceOption
from service.cli.output import JsonOption, print_json, progress_bar
from service.settings import Settings

if TYPE_CHECKING:
    from model.checkpoint import ShippedName
    from service.training import TrainingResult, TrainingSets
    from service.training_plan import LabelledSlices, Split, TrainingPlan


def train(
    out: given.Out,
    manifest: given.Manifest = None,
    from_gallery: given.FromGallery = False,
    label_source: given.LabelSource = None,
    study_labels: given.StudyLabels = False,
    config: given.Config = None,
    train_folds: given.TrainFolds = None,
    validation_folds: given.ValidationFolds = None,
    planes: given.Planes = None,
    device: DeviceOption = Device.AUTO,
    threads: given.Threads = None,
    compile_steps: given.Compile = False,
    resume: given.Resume = True,
    start: given.From = None,
    from_saw_none: given.FromSawNone = False,
    forget: given.ForgetPatients = False,
    epochs: given.Epochs = None,
    seed: given.Seed = None,
    tensorboard: given.TensorBoard = True,
    install: given.Install = None,
    json: JsonOption = False,
) -> None:
    """Train an encoder on slices with confirmed labels; interrupted, the same command goes on.

    All slices of a patient teach, or all validate. Standard error tells how long it takes.
    """
    from service import training_plan as planned

    settings = Settings()
    if (manifest is None) != from_gallery:
        raise typer.BadParameter("name a MANIFEST, or say --from-gallery")
    slices = _slices(settings, manifest, label_source or [], study_labels, out)
    split = planned.split_by_fold(slices.rows, train_folds, validation_folds)
    base = planned.load_start(start)
    told, kind, release = slices.statement, slices.named_by, install is not None
    chosen = planned.configure(config, base, epochs, seed, told, release=release)
    options = planned.run_options(device, threads, compile_steps, tensorboard, from_saw_none)
    plan = planned.TrainingPlan(chosen, options, out, resume, planes, base, kind, forget)
    _run(settings, slices, split, plan, install, json)


def _slices(
    settings: Settings, manifest: Path | None, sources: list[str], study_labels: bool, out: Path
) -> "LabelledSlices":
    from service import training_plan as planned
    from service.training_freeze import Asked

    if manifest is not None:
        return planned.listed_slices(manifest)
    return planned.own_slices(settings, Asked(tuple(sources), study_labels), out)


def _run(
    settings: Settings,
    slices: "LabelledSlices",
    split: "Split",
    plan: "TrainingPlan",
    install: given.Shipped | None,
    json: bool,
) -> None:
    """Train and tell; of several processes, only the first speaks."""
    from dicom_node.configure import configure_pydicom
    from model.training.distributed import join_world
    from service.cli.train_watcher import TrainWatcher
    from service.training import load_sets, train_encoder
    from service.training_checks import check_plan
    from service.training_freeze import freeze

    configure_pydicom()
    with join_world(plan.options.device) as world, _progress(world.is_main) as progress:
        watcher = TrainWatcher(progress, plan.config.schedule.epochs)
        for note in slices.notes:
            watcher.say(note)
        check_plan(split, plan, world)
        if slices.gallery is not None and world.is_main:
            freeze(plan.out_dir, slices.gallery)
        sets = load_sets(split, plan, settings.worker, watcher)
        for path in sets.unreadable:
            watcher.say(f"left out, for it gives no slice: {path}")
        result = train_encoder(plan, sets, watcher, world)
        if install is not None and world.is_main:
            result = _installed(install.value, sets, result)
    if world.is_main:
        _tell(result, json)


@contextmanager
def _progress(speaks: bool) -> Iterator[Progress]:
    if speaks:
        with progress_bar() as progress:
            yield progress
    else:
        yield Progress(console=Console(quiet=True), disable=True)


def _installed(
    name: "ShippedName", sets: "TrainingSets", result: "TrainingResult"
) -> "TrainingResult":
    from service.installing import install_encoder, shipped_folder

    path = install_encoder(name, sets, result.checkpoint, shipped_folder())
    return replace(result, checkpoint=path)


def _tell(result: "TrainingResult", json: bool) -> None:
    if json:
        print_json(result)
        return
    typer.echo(f"{result.checkpoint}")
    if result.validation_macro_map is not None and result.validation_macro_p10 is not None:
        typer.echo(
            f"validation: macro mAP {result.validation_macro_map:.4f}, "
            f"macro P@10 {result.validation_macro_p10:.4f}"
        )
