"""`precuneus model evaluate`: how well an encoder finds slices of the query's label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.cli import evaluate_options as given
from service.cli import evaluation_steps as steps
from service.cli.device import Device, DeviceOption
from service.cli.output import JsonOption, print_json, progress_bar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from model.checkpoint import Checkpoint
    from model.dataset import Dataset
    from model.evaluation.plan import Plan, Request
    from model.evaluation.protocols import Protocol
    from model.evaluation.ranking import Vectors
    from model.evaluation.run import Encode, Evaluation


def evaluate(
    manifest: given.Manifest,
    encoder: given.Encoder = "default",
    protocol: given.ProtocolOption = given.ProtocolName.ALL,
    query_folds: given.QueryFolds = None,
    gallery_folds: given.GalleryFolds = None,
    trained_on_folds: given.TrainedOnFolds = None,
    labels: given.Labels = None,
    embeddings: given.Embeddings = None,
    planes: given.Planes = None,
    controls: given.Controls = True,
    bootstrap: given.Bootstrap = 1000,
    seed: given.Seed = 0,
    device: DeviceOption = Device.AUTO,
    csv: given.Csv = None,
    plots: given.Plots = None,
    json: JsonOption = False,
) -> None:
    """Measure an encoder on a list of labelled slices; docs/evaluation.md explains the figures.

    Every figure comes with chance and a 95 % interval. Slices of patients that the encoder was
    trained on are refused as queries. Nothing is kept but what --csv and --plots ask for.

    Example: precuneus model evaluate slices.csv --encoder dev --protocol folds --plots ~/plots
    """
    from model.evaluation.run import run

    folds = (query_folds, gallery_folds, trained_on_folds)
    request = steps.read_request(_protocols(protocol), *folds, labels, seed)
    checkpoint, plan = _settle(manifest, encoder, request, csv, plots)
    encode, known = _encode(checkpoint, plan, embeddings, device), _planes(planes)
    plan, prepared = steps.prepare(plan, request, checkpoint, known)
    vectors = encode(prepared.dataset)
    methods = {checkpoint.name: lambda _: vectors}
    found = run(prepared.dataset, plan, methods, controls=controls, resamples=bootstrap, seed=seed)
    _print(found, checkpoint, prepared.unreadable, as_json=json)
    _write(found, plan, prepared.dataset, vectors, csv, plots)


def _protocols(asked: given.ProtocolName) -> tuple[Protocol, ...]:
    from model.evaluation.protocols import PROTOCOLS

    return tuple(name for name in PROTOCOLS if asked in (name, "all"))


def _settle(
    manifest: Path, encoder: str, request: Request, csv: Path | None, plots: Path | None
) -> tuple[Checkpoint, Plan]:
    """What can be refused is refused here, before any slice is decoded."""
    from model.checkpoint import load
    from model.evaluation.plots.folder import open_folder
    from model.evaluation.query_table import refuse_unwritable
    from service.encoder_files import encoder_path

    checkpoint = load(encoder_path(encoder))
    plan = steps.make_plan(manifest, checkpoint, request)
    if csv is not None:
        refuse_unwritable(csv)
    if plots is not None:
        open_folder(plots)
    return checkpoint, plan


def _encode(checkpoint: Checkpoint, plan: Plan, embeddings: Path | None, device: Device) -> Encode:
    """What gives the vectors: an export that has them all, or the encoder, ready to compute."""
    from model.embedder import Embedder
    from model.evaluation.exported import open_export

    if embeddings is not None:
        export = open_export(embeddings, checkpoint)
        export.refuse_gaps([row.sop_instance_uid for row in plan.rows])
        return lambda dataset: export.vectors(dataset.sop_instance_uids)
    embedder = Embedder(checkpoint, device.value)

    def embed(dataset: Dataset) -> Vectors:
        from service import evaluating

        with progress_bar() as bar:
            task = bar.add_task("embedding", total=len(dataset))
            return evaluating.embed(
                embedder,
                dataset,
                lambda done, total: bar.update(task, completed=done, total=total),
            )

    return embed


def _planes(path: Path | None) -> dict[str, str]:
    from model.evaluation.planes import shipped_planes
    from model.manifest import read_planes

    return shipped_planes() if path is None else read_planes(path)


def _write(
    found: Evaluation,
    plan: Plan,
    dataset: Dataset,
    vectors: Vectors,
    csv: Path | None,
    plots: Path | None,
) -> None:
    from model.evaluation.plots.folder import write_all
    from model.evaluation.query_table import write_queries

    if csv is not None:
        write_queries(csv, found.reports)
    if plots is not None:
        reports = found.of(found.reports[0].method)
        with progress_bar() as bar:
            task = bar.add_task("drawing", total=len(reports))
            write_all(plots, reports, plan.splits, dataset, vectors, lambda: bar.advance(task))


def _print(
    found: Evaluation, checkpoint: Checkpoint, unreadable: Sequence[Path], *, as_json: bool
) -> None:
    from model.evaluation.report import document
    from service.cli.evaluation_tables import print_evaluation, print_unreadable

    if as_json:
        identity = {"name": checkpoint.name, "sha256": checkpoint.digest}
        files = [str(path) for path in unreadable]
        print_json({"encoder": identity, "unreadable": files, **document(found)})
    else:
        print_evaluation(found)
        print_unreadable(unreadable)
