"""Which slices of the gallery take part in an answer, as SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from service.encoders.registry import ActiveEncoder
from service.search.conditions import conditions_of
from service.search.filters import Filters
from service.search.target import Target
from service.studies.rows import Unit
from service.studies.subject import Subject


@dataclass(frozen=True)
class Scope:
    """Conditions on embedding (e), series (s) and study (t) joined by AND, and their values.

    `unit` is what is ranked.
    """

    unit: Unit
    where: str
    values: dict[str, Any]

    def of_units(self, units: Sequence[int]) -> tuple[str, dict[str, Any]]:
        """The same for some studies or series only, by the index on series."""
        series = ":units"
        if self.unit == "study":
            series = "ARRAY(SELECT series_id FROM series WHERE study_id = ANY (:units))"
        return f"{self.where} AND e.series_id = ANY ({series})", {
            **self.values,
            "units": list(units),
        }


def scope_of(subject: Subject, filters: Filters, unit: Unit, *, same_patient: bool) -> Scope:
    """What passes the filters, without the query's patient unless `same_patient`.

    Raises:
        InvalidParameter: the filters contradict themselves.
    """
    filters.check()
    anything = Target(coordinates=subject.coordinates[0])
    found = conditions_of(anything, filters, same_patient=True)
    where, values = ["true", *found.own, *found.of_series], dict(found.values)
    if not same_patient:
        where.append("e.patient_key <> ALL (:patient_keys)")
        values["patient_keys"] = list(subject.patient_keys)
    return Scope(unit, " AND ".join(where), values)


def count_up_to(connection: Connection, encoder: ActiveEncoder, scope: Scope, most: int) -> int:
    """How many slices take part, or `most` + 1 where they are more."""
    statement = f"""
        SELECT count(*) FROM (
            SELECT FROM {encoder.partition} e JOIN series s ON s.series_id = e.series_id
                 JOIN study t ON t.study_id = e.study_id
            WHERE {scope.where} LIMIT :most) AS taking_part
    """
    return int(connection.scalar(text(statement), {**scope.values, "most": most + 1}) or 0)
