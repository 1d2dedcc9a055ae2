"""`precuneus similar`: the slices most similar to one of the gallery."""

from enum import StrEnum
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
from service.settings import Settings

if TYPE_CHECKING:
    from service.search.similar import Query


class CollapseChoice(StrEnum):
    """Of what the nearest slice is kept."""

    NONE = "none"
    SERIES = "series"
    PATIENT = "patient"


CollapseOption = Annotated[
    CollapseChoice, typer.Option(help="Keep the nearest slice of each series or patient.")
]
CursorOption = Annotated[
    str | None, typer.Option(help="Go on after an answer: its next_cursor (--json).")
]
FrameOption = Annotated[int, typer.Option(min=1, max=1_000_000, help="Frame of the query, from 1.")]


def similar(
    sop_instance_uid: Annotated[str, typer.Argument(help="SOP Instance UID of the query.")],
    k: Annotated[int, typer.Option("-k", help="How many neighbours.")] = 5,
    frame: FrameOption = 1,
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
    by_codes: Annotated[
        bool, typer.Option("--hash", help="By binary codes (see `index hash`).")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say how it was found.")] = False,
    cursor: CursorOption = None,
    evidence: EvidenceOption = False,
    json: JsonOption = False,
) -> None:
    """Show the slices most similar to one of the gallery, from other patients."""
    from service.search.similar import Query

    scanner = (modality, label, body_part, manufacturer, plane, sex, series_description)
    filters = filters_of(*scanner, study_date_from, study_date_to, age_from, age_to)
    how = {"exact": exact, "explain": explain, "cursor": cursor, "collapse": collapse.value}
    how["by_codes"] = by_codes
    query = Query(sop_instance_uid, frame, k, same_patient, filters, **how)  # type: ignore[arg-type]
    _show(query, evidence=evidence, json=json)


def _show(query: "Query", *, evidence: bool, json: bool) -> None:
    from service.api.similar import SimilarBody, answer_to
    from service.opening import open_gallery

    with open_gallery(Settings()) as engine, engine.connect() as connection:
        body = SimilarBody.of(*answer_to(connection, query, evidence=evidence))
    if json:
        print_json(body.model_dump(mode="json"))
        return
    title = f"Similar to {query.sop_instance_uid} ({body.method})"
    print_neighbours(title, body.neighbours, body.evidence)
    if body.explanation is not None:
        told = body.explanation
        typer.echo(
            f"{told.rows_passing} of {told.rows} slices pass; {told.rows_scanned} looked at: "
            f"{told.reason}"
        )
        for step in told.steps:
            typer.echo(f"  {step.name}: {step.ms:.1f} ms")
