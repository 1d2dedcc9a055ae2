"""`precuneus search`: the slices most similar to a file, a region of a slice, or examples.

It works on the gallery itself, whether the API runs or not, and loads the encoder for one answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.filter_options import (
    AgeFromOption,
    AgeToOption,
    BodyPartOption,
    DateFromOption,
    DateToOption,
    DescriptionOption,
    LabelOption,
    ManufacturerOption,
    ModalityOption,
    PlaneOption,
    SexOption,
    filters_of,
)
from service.cli.neighbours import EvidenceOption, print_neighbours
from service.cli.output import JsonOption, print_json
from service.cli.similar import CollapseChoice, CollapseOption, CursorOption
from service.settings import Settings

if TYPE_CHECKING:
    from service.api.asked import AskedBody
    from service.uploads.answering import Wanted
    from service.uploads.searching import QuerySearch

_File = Annotated[Path | None, typer.Argument(help="A DICOM, PNG or JPEG file.", dir_okay=False)]
_RegionOption = Annotated[
    str | None,
    typer.Option(
        metavar="UID:FRAME:X0,Y0,X1,Y1",
        help="A box of a slice of the gallery, in pixels of the frame; FRAME may be left out.",
    ),
]
_PositiveOption = Annotated[
    list[str] | None,
    typer.Option(metavar="UID[:FRAME]", help="A slice to find the like of (repeatable)."),
]
_NegativeOption = Annotated[
    list[str] | None,
    typer.Option(metavar="UID[:FRAME]", help="A slice to stay away from (repeatable)."),
]
_CtWindowOption = Annotated[
    str | None, typer.Option(metavar="BLACK,WHITE", help="HU shown by a picture of a CT.")
]


def search(
    file: _File = None,
    region: _RegionOption = None,
    positive: _PositiveOption = None,
    negative: _NegativeOption = None,
    k: Annotated[int, typer.Option("-k", min=1, max=500, help="How many neighbours.")] = 5,
    frame: Annotated[int, typer.Option(min=1, help="Frame of the file, from 1.")] = 1,
    same_patient: Annotated[
        bool, typer.Option("--same-patient", help="Take the query's own patient, too.")
    ] = False,
    modality: ModalityOption = None,
    label: LabelOption = None,
    body_part: BodyPartOption = None,
    manufacturer: ManufacturerOption = None,
    plane: PlaneOption = None,
    sex: SexOption = None,
    series_description: DescriptionOption = None,
    study_date_from: DateFromOption = None,
    study_date_to: DateToOption = None,
    age_from: AgeFromOption = None,
    age_to: AgeToOption = None,
    collapse: CollapseOption = CollapseChoice.NONE,
    exact: Annotated[bool, typer.Option("--exact", help="Compare with every slice.")] = False,
    ct_window: _CtWindowOption = None,
    cursor: CursorOption = None,
    evidence: EvidenceOption = False,
    json: JsonOption = False,
) -> None:
    """Show the slices most similar to a file, a region or several examples; nothing is stored.

    Example: precuneus search ~/slice.dcm -k 10 --modality MR
    """
    from service.uploads.answering import Wanted

    asked = _asked(file, region, positive, negative)
    scanner = (modality, label, body_part, manufacturer, plane, sex, series_description)
    filters = filters_of(*scanner, study_date_from, study_date_to, age_from, age_to)
    how = Wanted(k, filters, same_patient, collapse.value, exact, evidence=evidence, cursor=cursor)
    _show(asked, frame, how, ct_window, json=json)


def _asked(
    file: Path | None, region: str | None, positive: list[str] | None, negative: list[str] | None
) -> Path | AskedBody:
    """The file, or the options as the API takes them, with its checks."""
    from pydantic import ValidationError

    from service.api.asked import AskedBody

    if (file is not None) == bool(region or positive or negative):
        raise typer.BadParameter("Give a file, or --region, or --positive: one of them.")
    if file is not None:
        return file
    try:
        return AskedBody.model_validate(
            {
                "region": None if region is None else _region_of(region),
                "positive": [_example_of(text) for text in positive or ()] or None,
                "negative": [_example_of(text) for text in negative or ()] or None,
            }
        )
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors()]
        raise typer.BadParameter("; ".join(faults)) from None


def _region_of(text: str) -> dict[str, object]:
    *slice_, box = text.split(":")
    return {**_example_of(":".join(slice_)), "box": box.split(",")}


def _example_of(text: str) -> dict[str, object]:
    uid, _, frame = text.partition(":")
    return {"sop_instance_uid": uid, "frame": frame or 1}


def _show(
    asked: Path | AskedBody, frame: int, wanted: Wanted, ct_window: str | None, *, json: bool
) -> None:
    from service.api.search import by_asked, by_upload

    with _queries(Settings()) as queries:
        if isinstance(asked, Path):
            body = by_upload(queries, asked.read_bytes(), frame, wanted, ct_window)
        else:
            body = by_asked(queries, asked, wanted)
    if json:
        print_json(body.model_dump(mode="json"))
        return
    title = f"Similar to the {body.query.by} ({body.method})"
    print_neighbours(title, body.neighbours, body.evidence)
    if body.query.patient == "unknown":
        typer.echo("The file names no patient: slices of the same one may be among these.")


@contextmanager
def _queries(settings: Settings) -> Iterator[QuerySearch]:
    """Searches of the gallery, with processes of their own for decoding and for the network."""
    from threading import Lock

    from service.db.replicas import Readers
    from service.decoding import DecodePool
    from service.explaining import EncoderFiles
    from service.network_process import NetworkProcess
    from service.opening import object_store, open_gallery, patient_keyer
    from service.uploads.embedding import QueryEmbedder
    from service.uploads.searching import QuerySearch

    worker = settings.worker
    pool = DecodePool(1, worker.decode_timeout_s, worker.decode_memory_mb)
    network = NetworkProcess()
    try:
        with open_gallery(settings) as engine:
            yield QuerySearch(
                Readers(engine, (), settings.database.maximum_staleness_s),
                object_store(settings),
                patient_keyer(settings, engine),
                EncoderFiles(settings.state_dir, settings.encoder),
                QueryEmbedder(pool, Lock(), network),
            )
    finally:
        pool.close()
        network.close()
