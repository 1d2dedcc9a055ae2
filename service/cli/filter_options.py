"""The options that filter a search, one set for every command that searches."""

from datetime import date, datetime
from typing import Annotated

import typer

from service.search.filters import Filters

_DAY = ["%Y-%m-%d"]
ModalityOption = Annotated[
    list[str] | None, typer.Option("--modality", help="Only slices of this modality (repeatable).")
]
LabelOption = Annotated[
    list[str] | None, typer.Option("--label", help="Only slices with this label (repeatable).")
]
BodyPartOption = Annotated[
    list[str] | None, typer.Option("--body-part", help="Only this body part (repeatable).")
]
ManufacturerOption = Annotated[
    list[str] | None, typer.Option("--manufacturer", help="Only its scanners (repeatable).")
]
PlaneOption = Annotated[
    list[str] | None,
    typer.Option("--plane", help="axial, coronal, sagittal or oblique (repeatable)."),
]
SexOption = Annotated[
    list[str] | None, typer.Option("--sex", help="The patient's sex: F, M or O (repeatable).")
]
DescriptionOption = Annotated[
    str | None, typer.Option("--series-description", help="A part of it.")
]
DateFromOption = Annotated[
    datetime | None,
    typer.Option("--study-date-from", formats=_DAY, help="First study date, as 2024-01-31."),
]
DateToOption = Annotated[
    datetime | None, typer.Option("--study-date-to", formats=_DAY, help="Last study date.")
]
AgeFromOption = Annotated[
    int | None, typer.Option("--age-from", min=0, max=200, help="Lowest age, in years.")
]
AgeToOption = Annotated[
    int | None, typer.Option("--age-to", min=0, max=200, help="Highest age, in years.")
]


def filters_of(
    modality: list[str] | None = None,
    label: list[str] | None = None,
    body_part: list[str] | None = None,
    manufacturer: list[str] | None = None,
    plane: list[str] | None = None,
    sex: list[str] | None = None,
    series_description: str | None = None,
    study_date_from: datetime | None = None,
    study_date_to: datetime | None = None,
    age_from: int | None = None,
    age_to: int | None = None,
) -> Filters:
    """The filters that the options make."""
    return Filters(
        modality=tuple(modality or ()),
        label=tuple(label or ()),
        body_part=tuple(body_part or ()),
        manufacturer=tuple(manufacturer or ()),
        plane=tuple(plane or ()),
        patient_sex=tuple(sex or ()),
        series_description=series_description,
        study_date_from=_day(study_date_from),
        study_date_to=_day(study_date_to),
        age_from=age_from,
        age_to=age_to,
    )


def _day(time: datetime | None) -> date | None:
    return time.date() if time else None
