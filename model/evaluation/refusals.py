"""What is refused, because figures of it would lie or mean nothing."""

from collections import Counter
from collections.abc import Collection, Iterable

import numpy as np

from model.checkpoint import hash_group
from model.errors import EvaluationError
from model.evaluation.facts import Slices
from model.shared_slices import shared_slices


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
    if twice := _under_two_groups(queries, gallery):
        raise EvaluationError(
            f"{twice} slices (SOP Instance UID) are asked for under one patient or series and "
            "searched under another: they would find themselves at distance 0; list each slice once"
        )
    for label in np.unique(queries.labels):
        _refuse_label(int(label), queries, gallery)


def _under_two_groups(queries: Slices, gallery: Slices) -> int:
    """How many slices are on both sides and belong to several patients or series."""
    pairs = {
        pair for s in (queries, gallery) for pair in zip(s.sop_instance_uids, s.groups, strict=True)
    }
    groups = Counter(uid for uid, _ in pairs)
    both = shared_slices(queries.sop_instance_uids, gallery.sop_instance_uids)
    return sum(groups[uid] > 1 for uid in both)


def _refuse_label(label: int, queries: Slices, gallery: Slices) -> None:
    name = queries.label_names[label]
    held = set(gallery.groups[gallery.labels == label])
    if not held:
        raise EvaluationError(f"the gallery has no slice with the queries' label {name}")
    # A query never finds its own group: the folds are apart, or the group is left out.
    if len(held) == 1 and held & set(queries.groups[queries.labels == label]):
        raise EvaluationError(
            f"all slices to find with the label {name} are of one patient, who asks for them: add "
            "others, or leave the label out with --labels"
        )
