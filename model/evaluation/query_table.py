"""Figures of every query as CSV: SOP Instance UIDs and labels, nothing of the patient."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from model.errors import EvaluationError
from model.evaluation.measures import MEASURES
from model.evaluation.report import Report

_FACTS = ("protocol", "scope", "method", "sop_instance_uid", "label")
_NEAREST = ("nearest_sop_instance_uid", "nearest_label")


def refuse_unwritable(path: Path) -> None:
    """Raise EvaluationError if the table could not be written there; better before than after."""
    place = path if path.exists() else path.parent
    if path.is_dir() or not path.parent.is_dir() or not os.access(place, os.W_OK):
        raise EvaluationError(f"the figures of every query cannot be written to {path}")


def write_queries(path: Path, reports: Sequence[Report]) -> None:
    """One line a query and report. Raises OSError if the file cannot be written."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow((*_FACTS, *_NEAREST, *MEASURES))
        for report in reports:
            writer.writerows(_lines(report))


def _lines(report: Report) -> list[tuple[object, ...]]:
    found = report.per_query
    names, queries, gallery = found.queries.label_names, found.queries, found.gallery
    return [
        (
            *(report.protocol, report.scope, report.method),
            queries.sop_instance_uids[n],
            names[queries.labels[n]],
            gallery.sop_instance_uids[nearest],
            names[gallery.labels[nearest]],
            *(f"{value:.6f}" for value in found.values[n]),
        )
        for n, nearest in enumerate(found.neighbours[:, 0])
    ]
