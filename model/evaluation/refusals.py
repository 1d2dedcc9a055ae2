"""What is refused, because figures of it would lie or mean nothing."""

from collections.abc import Collection, Iterable

import numpy as np

from model.checkpoint import hash_group
from model.errors import EvaluationError
from model.evaluation.facts import Slices


def refuse_trained_queries(patient_ids: Iterable[str], trained_on: Collection[str]) -> None:
    """Raise EvaluationError if the encoder learnt from one of these patients or series.

    `trained_on` are the hashed groups of its checkpoint.
    """
    asked = set(patient_ids)
    known = sum(hash_group(patient_id) in trained_on for patient_id in asked)
    if known:
        raise EvaluationError(
            f"the encoder was trained on {known} of the {len(asked)} patients or series of the "
            "queries, so the figures would be worthless: choose other --query-folds, or an encoder "
            "that never saw them (--encoder dev)"
        )


def refuse_labels(asked: Collection[str], queries: Slices, gallery: Slices) -> None:
    """Raise EvaluationError if a label asked for has no slice at all."""
    found = {*queries.found_labels(), *gallery.found_labels()}
    if empty := sorted(set(asked) - found):
        raise EvaluationError(
            f"no slice has the label {', '.join(empty)}; "
            f"there are: {', '.join(sorted(found)) or 'none'}"
        )


def refuse_sets(queries: Slices, gallery: Slices, *, own_group_left_out: bool) -> None:
    """Raise EvaluationError unless every query can be answered, and honestly."""
    if queries.label_names != gallery.label_names:
        raise EvaluationError("queries and gallery number their labels differently")
    if not len(queries) or not len(gallery):
        raise EvaluationError(f"there is no slice {'to ask for' if len(gallery) else 'to search'}")
    everyone = set(queries.groups) | set(gallery.groups)
    if len(everyone) < 2:
        raise EvaluationError("all slices are of one patient: search needs others to find")
    if not own_group_left_out and (both := len(set(queries.groups) & set(gallery.groups))):
        raise EvaluationError(
            f"{both} patients or series are among the queries and in the gallery: "
            "their slices would find themselves; make the folds disjoint by patient"
        )
    for label in np.unique(queries.labels):
        _refuse_label(int(label), queries, gallery)


def _refuse_label(label: int, queries: Slices, gallery: Slices) -> None:
    name = queries.label_names[label]
    held = gallery.groups[gallery.labels == label]
    if not len(held):
        raise EvaluationError(f"the gallery has no slice with the queries' label {name}")
    if len({*held, *queries.groups[queries.labels == label]}) < 2:
        raise EvaluationError(
            f"all slices with the label {name} are of one patient: add others, or leave "
            "the label out with --labels"
        )
