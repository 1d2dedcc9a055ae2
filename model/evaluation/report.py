"""Results as plain frozen values, ready for JSON and for tables."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from model.evaluation.per_query import PerQuery


@dataclass(frozen=True)
class Figure:
    """A figure in 0..1, what chance would give, and its 95 % interval.

    There is no interval if none was asked for, or if it would tell nothing: `Summary.intervals`
    says why.
    """

    value: float
    chance: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class LabelReport:
    """Queries of one label. `curve` holds the mean precision at measures.RECALL_LEVELS."""

    label: str
    queries: int
    query_groups: int
    gallery: int
    figures: Mapping[str, Figure]
    curve: tuple[float, ...]


@dataclass(frozen=True)
class Summary:
    """Figures of all queries; keys are measures.MEASURES.

    `macro` are means over labels, `over_queries` over queries. `first_neighbour` maps a query's
    label to the labels of the nearest slices and their numbers. `intervals` says what was
    resampled.
    """

    macro: Mapping[str, Figure]
    over_queries: Mapping[str, Figure]
    labels: tuple[LabelReport, ...]
    first_neighbour: Mapping[str, Mapping[str, int]]
    intervals: str


@dataclass(frozen=True)
class Report:
    """One encoder (or control), one protocol, one choice of labels (the scope).

    `queries` and `gallery` count slices; `notes` are what a reader must know.
    """

    method: str
    protocol: str
    scope: str
    queries: int
    gallery: int
    summary: Summary
    notes: tuple[str, ...]
    per_query: PerQuery


def document(value: Any) -> Any:
    """Nested results as JSON-ready values; figures of single queries are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: document(getattr(value, field.name))
            for field in fields(value)
            if field.name != "per_query"
        }
    if isinstance(value, Mapping):
        return {str(key): document(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [document(item) for item in value]
    return value
