"""Filters as SQL, on rows of `embedding` (e), `series` (s) and `study` (t)."""

from dataclasses import dataclass
from typing import Any

from service.search.filters import Filters
from service.search.target import Target


@dataclass(frozen=True)
class Conditions:
    """Conditions to be joined by AND, and the values they bind.

    `own` are on the columns of `e` alone; `of_series` need `s` and `t`.
    """

    own: tuple[str, ...]
    of_series: tuple[str, ...]
    values: dict[str, Any]


def conditions_of(target: Target, filters: Filters, *, same_patient: bool) -> Conditions:
    """What a row must be to be a neighbour of `target`."""
    left_out, values = _left_out(target, same_patient=same_patient)
    own = [*left_out, *_on_rows(filters)]
    values |= {
        "modality": [value.upper() for value in filters.modality],
        "label": list(filters.label),
        "plane": [value.upper() for value in filters.plane],
        "patient_sex": [value.upper() for value in filters.patient_sex],
        "age_from": filters.age_from,
        "age_to": filters.age_to,
        "body_part": [value.lower() for value in filters.body_part],
        "manufacturer": [value.lower() for value in filters.manufacturer],
        "description": (filters.series_description or "").lower(),
        "date_from": filters.study_date_from,
        "date_to": filters.study_date_to,
    }
    return Conditions(tuple(own), tuple(_on_series(filters)), values)


def _left_out(target: Target, *, same_patient: bool) -> tuple[list[str], dict[str, Any]]:
    own, values = [], dict[str, Any]()
    if target.slice is not None:
        own.append("(e.instance_id, e.frame) <> (:instance_id, :frame)")
        values |= {"instance_id": target.slice.instance_id, "frame": target.slice.frame}
    if target.patient_key is not None and not same_patient:
        own.append("e.patient_key <> :patient_key")
        values["patient_key"] = target.patient_key
    if target.patient_keys and not same_patient:
        own.append("e.patient_key <> ALL (:patient_keys)")
        values["patient_keys"] = list(target.patient_keys)
    for number, (instance_id, frame) in enumerate(target.without):
        own.append(f"(e.instance_id, e.frame) <> (:without_{number}, :frame_{number})")
        values |= {f"without_{number}": instance_id, f"frame_{number}": frame}
    return own, values


def _on_rows(filters: Filters) -> list[str]:
    demanded = {
        "e.modality = ANY (:modality)": filters.modality,
        "e.labels && CAST(:label AS text[])": filters.label,
        "e.plane = ANY (:plane)": filters.plane,
        "e.patient_sex = ANY (:patient_sex)": filters.patient_sex,
        "e.patient_age_years >= :age_from": filters.age_from,
        "e.patient_age_years <= :age_to": filters.age_to,
    }
    return _demanded(demanded)


def _on_series(filters: Filters) -> list[str]:
    demanded = {
        "lower(s.body_part_examined) = ANY (:body_part)": filters.body_part,
        "lower(s.manufacturer) = ANY (:manufacturer)": filters.manufacturer,
        "strpos(lower(s.series_description), :description) > 0": filters.series_description,
        "t.study_date >= :date_from": filters.study_date_from,
        "t.study_date <= :date_to": filters.study_date_to,
    }
    return _demanded(demanded)


def _demanded(demanded: dict[str, Any]) -> list[str]:
    return [sql for sql, value in demanded.items() if value is not None and value != ()]
