"""`precuneus model evaluate-studies`: how well whole studies find studies of their label."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import evaluate_options as given
from service.cli.device import Device, DeviceOption
from service.cli.output import JsonOption, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from model.checkpoint import Checkpoint
    from model.evaluation.folds import Folds
    from model.manifest import ManifestRow
    from service.studies.measuring import LabelledStudy, StudyFigures


def evaluate_studies(
    manifest: given.Manifest,
    encoder: given.Encoder = "default",
    query_folds: given.QueryFolds = None,
    gallery_folds: given.GalleryFolds = None,
    trained_on_folds: given.TrainedOnFolds = None,
    modality: Annotated[
        list[str] | None, typer.Option(help="Only this one (repeatable); unset: each by itself.")
    ] = None,
    device: DeviceOption = Device.AUTO,
    json: JsonOption = False,
) -> None:
    """Measure study search: is the first study's label right, and would single slices do better?

    Slices of patients that the encoder was trained on are refused as queries.

    Each series of the list stands for a study. docs/studies.md explains the figures.

    Example: precuneus model evaluate-studies slices.csv --encoder dev --modality MR
    """
    from model.checkpoint import load
    from model.manifest import read_manifest
    from service.encoder_files import encoder_path

    checkpoint, rows = load(encoder_path(encoder)), read_manifest(manifest)
    folds = _folds(rows, checkpoint, query_folds, gallery_folds, trained_on_folds)
    modalities = sorted({row.modality for row in rows} & {m.upper() for m in modality or ()})
    modalities = modalities or sorted({row.modality for row in rows})
    asked = {*folds.queries, *folds.gallery}
    rows = tuple(row for row in rows if row.fold in asked and row.modality in modalities)
    rows, coordinates = _embed(rows, checkpoint, device)
    figures = {name: _measure(rows, coordinates, folds, {name}) for name in modalities}
    _print(checkpoint, folds, figures, as_json=json)


def _folds(
    rows: Sequence[ManifestRow],
    checkpoint: Checkpoint,
    queries: str | None,
    gallery: str | None,
    trained_on: str | None,
) -> Folds:
    from model.evaluation.folds import choose_folds, listed_groups, trained_groups
    from model.evaluation.refusals import refuse_trained_queries
    from service.fold_lists import read_folds

    seen = trained_groups(listed_groups(checkpoint.info), rows, read_folds(trained_on))
    folds = choose_folds(rows, seen, read_folds(queries), read_folds(gallery))
    asking = (row.patient_id for row in rows if row.fold in folds.queries)
    refuse_trained_queries(asking, seen)
    return folds


def _embed(
    rows: tuple[ManifestRow, ...], checkpoint: Checkpoint, device: Device
) -> tuple[tuple[ManifestRow, ...], NDArray[np.float32]]:
    from dicom_node.configure import configure_pydicom
    from model.embedder import Embedder
    from service.evaluating import embed, prepare_slices
    from service.settings import Settings

    configure_pydicom()
    embedder = Embedder(checkpoint, device.value)
    with progress_bar() as bar:
        decoding = bar.add_task("decoding", total=len(rows))
        prepared = prepare_slices(
            rows,
            checkpoint.info.preprocess,
            {},
            Settings().worker,
            lambda done, total: bar.update(decoding, completed=done, total=total),
        )
        embedding = bar.add_task("embedding", total=len(prepared.rows))
        found = embed(
            embedder,
            prepared.dataset,
            lambda done, total: bar.update(embedding, completed=done, total=total),
        )
    return prepared.rows, found


def _measure(
    rows: Sequence[ManifestRow],
    coordinates: NDArray[np.float32],
    folds: Folds,
    modalities: Collection[str],
) -> StudyFigures:
    from service.studies.measuring import measure

    queries = _studies(rows, coordinates, folds.queries, modalities)
    return measure(queries, _studies(rows, coordinates, folds.gallery, modalities))


def _studies(
    rows: Sequence[ManifestRow],
    coordinates: NDArray[np.float32],
    folds: Collection[int],
    modalities: Collection[str],
) -> list[LabelledStudy]:
    from service.studies.measuring import LabelledStudy

    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if row.fold in folds and row.modality in modalities:
            name = f"{row.patient_id} {row.series_instance_uid}"
            places.setdefault(name, []).append(place)
    return [
        LabelledStudy(name, coordinates[chosen], tuple(rows[place].label for place in chosen))
        for name, chosen in sorted(places.items())
    ]


def _print(
    checkpoint: Checkpoint, folds: Folds, figures: dict[str, StudyFigures], *, as_json: bool
) -> None:
    if as_json:
        told = {name: asdict(found) for name, found in figures.items()}
        print_json(
            {"encoder": checkpoint.name, "folds": asdict(folds), "modalities": told},
        )
        return
    rows = [
        (
            name,
            f"{found.studies} in {found.gallery}",
            *(
                f"{share:.3f}"
                for share in (
                    found.first_study,
                    found.vote_1,
                    found.vote_5,
                    found.single_slice,
                    found.mean_average_precision,
                )
            ),
        )
        for name, found in figures.items()
    ]
    columns = ("modality", "studies", "first study", "vote of slices", "vote of 5 each")
    title = f"{checkpoint.name}: folds {folds.queries} ask, folds {folds.gallery} are searched"
    print_table(title, (*columns, "single slice", "mAP of studies"), rows)
