"""What the slices found must be; it says nothing of how they are found."""

from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from service.errors import InvalidParameter

PLANES = ("AXIAL", "CORONAL", "SAGITTAL", "OBLIQUE")
SEXES = ("F", "M", "O")


@dataclass(frozen=True)
class Filters:
    """All must hold; a tuple means any of its values, and what is empty demands nothing.

    Modality, body part, manufacturer, plane and sex are compared whole and whatever their case; a
    label exactly; `series_description` is a part of the series' own, whatever its case. A slice
    that lacks a fact passes no filter on it. Ages are whole years, dates study dates; both bands
    include their ends.
    """

    modality: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    manufacturer: tuple[str, ...] = ()
    plane: tuple[str, ...] = ()
    patient_sex: tuple[str, ...] = ()
    series_description: str | None = None
    study_date_from: date | None = None
    study_date_to: date | None = None
    age_from: int | None = None
    age_to: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every slice passes."""
        return self == EVERYTHING

    def facts(self) -> dict[str, Any]:
        """What is demanded, by name, dates as text; without what demands nothing."""
        found = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and value != ():
                found[field.name] = str(value) if isinstance(value, date) else value
        return found

    def check(self) -> None:
        """Refuse bands that end before they begin, and planes that do not exist.

        Raises:
            InvalidParameter: and says which.
        """
        if _is_reversed(self.study_date_from, self.study_date_to):
            raise InvalidParameter("study_date_to lies before study_date_from.")
        if _is_reversed(self.age_from, self.age_to):
            raise InvalidParameter("age_to is less than age_from.")
        for plane in self.plane:
            if plane.upper() not in PLANES:
                raise InvalidParameter(f"plane is one of {', '.join(PLANES)}.")


EVERYTHING = Filters()


def _is_reversed(first: Any, last: Any) -> bool:
    return first is not None and last is not None and bool(last < first)
