"""`precuneus model check-evidence`: how far the shares and alarms of an encoder can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from service.cli import evaluate_options as given
from service.cli import evaluation_steps as steps
from service.cli.output import JsonOption, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from model.checkpoint import Checkpoint
    from model.evaluation.plan import Plan
    from service.calibration.checking import AlarmFigures, EvidenceCheck
    from service.calibration.listed import Slices
    from service.evaluating import PreparedSlices


def check_evidence(
    manifest: given.Manifest,
    encoder: given.Encoder = "dev",
    query_folds: given.QueryFolds = None,
    gallery_folds: given.GalleryFolds = None,
    trained_on_folds: given.TrainedOnFolds = None,
    unlike: given.Unlike = None,
    unlike_folder: given.UnlikeFolder = None,
    write: given.WriteEvidence = None,
    json: JsonOption = False,
) -> None:
    """Expected calibration error of shares, and alarms of "nothing similar", on unseen patients.

    Fitted to one half of the query patients and measured on the other, both ways; beside it what
    a fit to the gallery's patients gives, whom the encoder was trained on. docs/evidence.md
    explains the figures.

    Example: precuneus model check-evidence slices.csv --encoder dev --query-folds 4
    """
    from model.checkpoint import load
    from service.calibration.brought import told_of, write_brought
    from service.calibration.unlike import read_unlike
    from service.encoder_files import encoder_path

    request = steps.read_request(("folds",), query_folds, gallery_folds, trained_on_folds, None)
    checkpoint = load(encoder_path(encoder))
    plan = steps.make_plan(manifest, checkpoint, request)
    paths = [] if unlike is None else read_unlike(unlike, unlike_folder or unlike.parent)
    plan, prepared = steps.prepare(plan, request, checkpoint, {})
    slices, others = _embed(checkpoint, prepared, paths)
    found = _measure(plan, slices, others)
    if write is not None:
        protocol = told_of(write, checkpoint.name, _protocol(checkpoint, plan, found))
        write_brought(write, found.brought(protocol))
    _print(found, checkpoint, as_json=json)


def _embed(
    checkpoint: Checkpoint, prepared: PreparedSlices, paths: list[Path]
) -> tuple[Slices, NDArray[np.float32] | None]:
    from model.embedder import Embedder
    from service.calibration.listed import Slices
    from service.calibration.unlike import embed_unlike
    from service.evaluating import embed
    from service.settings import Settings

    embedder, dataset = Embedder(checkpoint), prepared.dataset
    with progress_bar() as bar:
        task = bar.add_task("embedding", total=len(dataset))
        vectors = embed(
            embedder, dataset, lambda done, total: bar.update(task, completed=done, total=total)
        )
    labels = [row.label for row in prepared.rows]
    slices = Slices(vectors, labels, [row.patient_id for row in prepared.rows])
    if not paths:
        return slices, None
    config = checkpoint.info.preprocess
    return slices, embed_unlike(paths, config, embedder.coordinates, Settings().worker)


def _measure(plan: Plan, slices: Slices, others: NDArray[np.float32] | None) -> EvidenceCheck:
    import numpy as np

    from service.calibration.checking import check_evidence

    folds = np.array([row.fold for row in plan.rows])
    queries = slices.chosen(np.isin(folds, plan.folds.queries))
    gallery = slices.chosen(np.isin(folds, plan.folds.gallery))
    return check_evidence(queries, gallery, others)


def _protocol(checkpoint: Checkpoint, plan: Plan, found: EvidenceCheck) -> str:
    queries, gallery = _told(plan.folds.queries), _told(plan.folds.gallery)
    return (
        f"{found.shares.questions} slices of {found.shares.patients} patients (or series, where "
        f"the patient is unknown) that {checkpoint.name} was not trained on asked a gallery of "
        f"those it was trained on (folds {queries} and {gallery}); the weights were fitted to one "
        "half of the asking patients and judged on the other, both ways, in five splits; every "
        "patient weighs the same; 15 bins."
    )


def _told(folds: tuple[int, ...]) -> str:
    return ", ".join(map(str, folds))


def _print(found: EvidenceCheck, checkpoint: Checkpoint, *, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        identity = {"name": checkpoint.name, "sha256": checkpoint.digest}
        print_json({"encoder": identity, **asdict(found)})
        return
    shares, own = found.shares, found.own_shares
    weighing = shares.weighing
    rows: list[tuple[str, object, object]] = [
        ("expected calibration error of shares", f"{shares.ece:.3f}", f"{own.ece:.3f}"),
        ("mean largest share", f"{shares.confidence:.3f}", f"{own.confidence:.3f}"),
        ("how often its label is right", f"{shares.accuracy:.3f}", f"{own.accuracy:.3f}"),
        ("temperature", f"{weighing.temperature:.4f}", f"{own.weighing.temperature:.4f}"),
        ("empty seat at", f"{weighing.seat_distance:g}", f"{own.weighing.seat_distance:g}"),
        *_alarm_rows(found.alarms, found.own_alarms),
    ]
    columns = ("figure on unseen patients", "fitted to other unseen ones", "fitted to the gallery")
    print_table(f"Evidence of {checkpoint.name}", columns, rows)
    typer.echo(f"{shares.questions} slices of {shares.patients} patients; alarms were set for 5 %.")


def _alarm_rows(alarms: AlarmFigures, own: AlarmFigures | None) -> list[tuple[str, object, object]]:
    def row(name: str, field: str) -> tuple[str, object, object]:
        values = (getattr(alarms, field), getattr(own, field, None))
        first, second = ("-" if value is None else f"{value:.3f}" for value in values)
        return name, first, second

    return [
        row("nothing similar from", "threshold"),
        row("false alarms", "false_alarms"),
        row("caught of what is unlike", "caught"),
    ]
