"""`precuneus similar-study`: the studies, or series, most similar to one of the gallery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import filter_options as given
from service.cli.output import JsonOption, print_json, print_table
from service.cli.similar import CollapseChoice
from service.settings import Settings

if TYPE_CHECKING:
    from service.search.nearest import Collapse
    from service.studies.answer import Answer, Query

_CollapseOption = Annotated[
    CollapseChoice,
    typer.Option(
        help="series: the nearest pair of each series found; none: the nearest pairs; patient: as "
        "series, and each patient's nearest study alone."
    ),
]


def similar_study(
    study_instance_uid: Annotated[str, typer.Argument(help="Study Instance UID of the query.")],
    series: Annotated[
        str | None, typer.Option(help="One of its series, by UID: then series are ranked.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many, at most 100.")] = 10,
    same_patient: Annotated[
        bool, typer.Option("--same-patient", help="Take the query's own patient, too.")
    ] = False,
    modality: given.ModalityOption = None,
    label: given.LabelOption = None,
    body_part: given.BodyPartOption = None,
    manufacturer: given.ManufacturerOption = None,
    plane: given.PlaneOption = None,
    sex: given.SexOption = None,
    series_description: given.DescriptionOption = None,
    study_date_from: given.DateFromOption = None,
    study_date_to: given.DateToOption = None,
    age_from: given.AgeFromOption = None,
    age_to: given.AgeToOption = None,
    collapse: _CollapseOption = CollapseChoice.SERIES,
    exact: Annotated[bool, typer.Option("--exact", help="Compare with every slice.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say how it was found.")] = False,
    json: JsonOption = False,
) -> None:
    """Show the studies most similar to one of the gallery, from other patients.

    Each slice is compared with its nearest; a study's distance is the mean of these.
    """
    from service.studies.answer import Query

    scanner = (modality, label, body_part, manufacturer, plane, sex, series_description)
    filters = given.filters_of(*scanner, study_date_from, study_date_to, age_from, age_to)
    shown: Collapse = collapse.value
    query = Query(study_instance_uid, series, k, same_patient, filters, shown, exact, explain)
    _show(query, json=json)


def _show(query: Query, *, json: bool) -> None:
    from service.api.studies import SimilarStudiesBody
    from service.opening import open_gallery
    from service.studies.similar import similar_studies

    with open_gallery(Settings()) as engine, engine.connect() as connection:
        answer = similar_studies(connection, query)
    if json:
        print_json(SimilarStudiesBody.of(answer).model_dump())
        return
    _print(answer)


def _print(answer: Answer) -> None:
    what = answer.query.series_instance_uid or answer.query.study_instance_uid
    proven = "" if answer.complete else ", not proven complete"
    rows = [
        (
            study.rank,
            f"{study.distance:.4f}",
            ", ".join(study.labels),
            " ".join(study.modalities),
            study.study_date or "",
            f"{study.matched_slices} of {study.slices}",
            study.series_instance_uid or study.study_instance_uid,
        )
        for study in answer.studies
    ]
    uid = "Series Instance UID" if answer.query.series_instance_uid else "Study Instance UID"
    columns = ("rank", "distance", "labels", "modality", "date", "slices matched", uid)
    print_table(f"Similar to {what} ({answer.method}{proven})", columns, rows)
    if answer.pending:
        typer.echo(f"{answer.pending} instances of the query wait for their embedding.")
    told = answer.explanation
    if told is not None:
        typer.echo(
            f"{told.studies_scored} of {told.studies_seen} candidates scored by {told.slices} "
            f"slices: {told.reason}"
        )
        for step in told.steps:
            typer.echo(f"  {step.name}: {step.ms:.1f} ms")
