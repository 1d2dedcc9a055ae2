"""The command `python -m benchmarks.compare`: trains what is compared, and measures it on fold 4.

Interrupted, it goes on where it was. Nothing of it ships.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import Progress

from benchmarks.compare.contenders import Contender, contenders
from dicom_node.configure import configure_pydicom
from model.checkpoint import hash_group
from model.dataset import Dataset
from model.evaluation.plan import Request, make_plan
from model.evaluation.report import document
from model.evaluation.run import Encode, run
from model.manifest import read_manifest, read_planes
from model.preprocess import PreprocessConfig
from model.training.config import EpochMetrics, RunOptions
from model.training.embedding import embed
from model.training.train import fit
from service.cli.evaluation_tables import print_evaluation, print_unreadable
from service.cli.output import progress_bar
from service.evaluating import PreparedSlices, prepare_slices
from service.settings import WorkerSettings

_ROOT = Path(__file__).resolve().parents[2]
_TRAIN_FOLDS, _QUERY_FOLD = (1, 2, 3), 4
# MSNet does them in some 20 minutes on two cores (0.9 core seconds a step, 35 steps an epoch).
_EPOCHS = 60


@dataclass(frozen=True)
class Place:
    """Where runs lie and on what they are computed."""

    folder: Path
    options: RunOptions


def main(
    data: Annotated[Path, typer.Option(help="The list of slices.")] = _ROOT
    / "../shared/data/slices.csv",
    planes: Annotated[Path, typer.Option(help="Planes of its groups.")] = _ROOT
    / "model/evaluation/mr_planes.csv",
    out: Annotated[Path, typer.Option(help="Folder for the runs.")] = _ROOT / ".bench/compare",
    epochs: Annotated[int, typer.Option(min=1, help="The same for all.")] = _EPOCHS,
    size: Annotated[int, typer.Option(help="Side of the prepared slices.")] = 128,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    only: Annotated[list[str] | None, typer.Option(help="Only these, by key.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int | None, typer.Option(min=1)] = None,
    compile_steps: Annotated[bool, typer.Option("--compile")] = False,
) -> None:
    """Train the recipe, softmax alone, MSNet with less, and ResNets alike; compare what they find.

    Runs lie in --out, one folder each, and are taken up again; figures go to figures.json there.
    """
    configure_pydicom()
    chosen = [c for c in contenders(size, epochs, seed) if not only or c.key in only]
    if not chosen:
        raise typer.BadParameter("no contender has such a key")
    options = RunOptions(device, threads, compile_steps, validate_every=epochs)
    with progress_bar() as progress:
        prepared = _prepare(data, planes, chosen[0].config.preprocess, progress)
        place = Place(out / f"{size}-{epochs}-{seed}", options)
        vectors = {c.name: _vectors(c, prepared.dataset, place, progress) for c in chosen}
    _measure(prepared, vectors, place.folder)


def _prepare(
    data: Path, planes: Path, preprocess: PreprocessConfig, progress: Progress
) -> PreparedSlices:
    rows = read_manifest(data, (*_TRAIN_FOLDS, _QUERY_FOLD))
    task = progress.add_task("reading", total=len(rows))
    return prepare_slices(
        rows,
        preprocess,
        read_planes(planes),
        WorkerSettings(),
        lambda done, _: progress.update(task, completed=done),
    )


def _vectors(
    contender: Contender, dataset: Dataset, place: Place, progress: Progress
) -> NDArray[np.float32]:
    """Train on the training folds, as far as that is not done yet, and embed all slices."""
    task = progress.add_task(contender.key, total=None)
    train_set = dataset.subset(np.isin(dataset.folds, _TRAIN_FOLDS))

    def told(metrics: EpochMetrics) -> None:
        words = f"{contender.key}: epoch {metrics.epoch}, loss {metrics.loss:.3f}"
        progress.console.print(f"{words}, {metrics.seconds:.0f} s", markup=False)

    state = fit(
        contender.config,
        train_set,
        None,
        place.folder / contender.key,
        told,
        place.options,
        lambda done, total: progress.update(task, completed=done, total=total),
        make_network=contender.make_network,
    )
    return embed(state.averaged(), dataset.images, state.device)


def _measure(
    prepared: PreparedSlices, vectors: dict[str, NDArray[np.float32]], folder: Path
) -> None:
    rows = prepared.rows
    seen = {hash_group(row.patient_id) for row in rows if row.fold in _TRAIN_FOLDS}
    request = Request(("folds",), query_folds=(_QUERY_FOLD,), gallery_folds=_TRAIN_FOLDS)
    plan = make_plan(rows, seen, request)
    encoders = {name: _always(found) for name, found in vectors.items()}
    found = run(prepared.dataset, plan, encoders)
    print_evaluation(found)
    print_unreadable(prepared.unreadable)
    files = [str(path) for path in prepared.unreadable]
    told = {"unreadable": files, **document(found)}
    path = folder / "figures.json"
    path.write_text(json.dumps(told, indent=1), encoding="utf-8")
    typer.echo(f"figures: {path}")


def _always(vectors: NDArray[np.float32]) -> Encode:
    """An encoder of one data set, done already."""
    return lambda _: vectors


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
