"""`precuneus model evaluate`: how well an encoder finds slices of the query's label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.cli import evaluate_options as given
from service.cli.output import JsonOption, print_json, progress_bar
from service.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from model.checkpoint import Checkpoint
    from model.dataset import Dataset
    from model.evaluation.plan import Plan, Request
    from model.evaluation.ranking import Vectors
    from model.evaluation.run import Evaluation


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
    device: given.DeviceOption = given.Device.AUTO,
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

    request = _request(protocol, query_folds, gallery_folds, trained_on_folds, labels, seed)
    checkpoint, plan = _settle(manifest, encoder, request, plots)
    dataset = _prepare(plan, checkpoint, planes)
    vectors = _embed(checkpoint, dataset, embeddings, device)
    methods = {checkpoint.name: lambda _: vectors}
    found = run(dataset, plan, methods, controls=controls, resamples=bootstrap, seed=seed)
    _write(found, plan, dataset, vectors, csv, plots)
    _print(found, checkpoint, as_json=json)


def _settle(
    manifest: Path, encoder: str, request: Request, plots: Path | None
) -> tuple[Checkpoint, Plan]:
    """What can be refused is refused here, before any slice is decoded."""
    from model.checkpoint import load
    from model.evaluation.plan import make_plan
    from model.evaluation.plots.folder import refuse_repository
    from model.manifest import read_manifest
    from service.encoder_files import encoder_path

    if plots is not None:
        refuse_repository(plots)
    checkpoint = load(encoder_path(encoder))
    return checkpoint, make_plan(read_manifest(manifest), checkpoint.info.trained_on, request)


def _request(
    protocol: given.ProtocolName,
    query_folds: str | None,
    gallery_folds: str | None,
    trained_on_folds: str | None,
    labels: str | None,
    seed: int,
) -> Request:
    from model.evaluation.plan import Request
    from model.evaluation.protocols import PROTOCOLS

    def folds(text: str | None) -> tuple[int, ...] | None:
        return None if text is None else given.read_folds(text)

    return Request(
        protocols=tuple(name for name in PROTOCOLS if protocol in (name, "all")),
        query_folds=folds(query_folds),
        gallery_folds=folds(gallery_folds),
        trained_on_folds=folds(trained_on_folds),
        labels=None if labels is None else tuple(part.strip() for part in labels.split(",")),
        seed=seed,
    )


def _prepare(plan: Plan, checkpoint: Checkpoint, planes: Path | None) -> Dataset:
    from dicom_node.configure import configure_pydicom
    from model.evaluation.planes import shipped_planes
    from model.manifest import read_planes
    from service.evaluating import prepare_slices

    configure_pydicom()
    known = shipped_planes() if planes is None else read_planes(planes)
    config = checkpoint.info.preprocess
    with progress_bar() as bar:
        task = bar.add_task("decoding", total=len(plan.rows))
        return prepare_slices(
            plan.rows,
            config,
            known,
            Settings().worker,
            lambda done, total: bar.update(task, completed=done, total=total),
        )


def _embed(
    checkpoint: Checkpoint, dataset: Dataset, embeddings: Path | None, device: given.Device
) -> Vectors:
    from model.evaluation.exported import exported_vectors
    from service.evaluating import embed

    if embeddings is not None:
        return exported_vectors(embeddings, dataset)
    with progress_bar() as bar:
        task = bar.add_task("embedding", total=len(dataset))
        return embed(
            checkpoint,
            dataset,
            device.value,
            lambda done, total: bar.update(task, completed=done, total=total),
        )


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


def _print(found: Evaluation, checkpoint: Checkpoint, *, as_json: bool) -> None:
    from model.evaluation.report import document
    from service.cli.evaluation_tables import print_evaluation

    if as_json:
        identity = {"name": checkpoint.name, "sha256": checkpoint.digest}
        print_json({"encoder": identity, **document(found)})
    else:
        print_evaluation(found)
