"""The filters of a search as query parameters; routes take them by `FiltersDep`."""

from datetime import date
from typing import Annotated, Literal

from fastapi import Depends, Query

from service.search.filters import Filters

_MOST_VALUES = 50
_Text = Annotated[str, Query(min_length=1, max_length=200, pattern="^[^\x00]+$")]
_Plane = Literal["AXIAL", "CORONAL", "SAGITTAL", "OBLIQUE"]


def _any_of(what: str) -> object:
    return Query(max_length=_MOST_VALUES, description=f"{what}; repeat it for any of several")


def _age(what: str) -> object:
    return Query(ge=0, le=200, description=f"{what} age of the patient in years")


async def get_filters(
    modality: Annotated[list[_Text], _any_of("such as CT")] = [],  # noqa: B006 - read only
    label: Annotated[list[_Text], _any_of("a confirmed diagnosis")] = [],  # noqa: B006
    body_part: Annotated[list[_Text], _any_of("Body Part Examined")] = [],  # noqa: B006
    manufacturer: Annotated[list[_Text], _any_of("Manufacturer")] = [],  # noqa: B006
    plane: Annotated[list[_Plane], _any_of("of the slice")] = [],  # noqa: B006
    patient_sex: Annotated[list[_Text], _any_of("M, F or O")] = [],  # noqa: B006
    series_description: Annotated[_Text | None, Query(description="a part of it")] = None,
    study_date_from: Annotated[date | None, Query(description="first day, as 2024-01-31")] = None,
    study_date_to: Annotated[date | None, Query(description="last day")] = None,
    age_from: Annotated[int | None, _age("lowest")] = None,
    age_to: Annotated[int | None, _age("highest")] = None,
) -> Filters:
    """What the slices found must be."""
    return Filters(
        modality=tuple(modality),
        label=tuple(label),
        body_part=tuple(body_part),
        manufacturer=tuple(manufacturer),
        plane=tuple(plane),
        patient_sex=tuple(patient_sex),
        series_description=series_description,
        study_date_from=study_date_from,
        study_date_to=study_date_to,
        age_from=age_from,
        age_to=age_to,
    )


FiltersDep = Annotated[Filters, Depends(get_filters)]
