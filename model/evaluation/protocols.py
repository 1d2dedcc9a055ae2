"""Which slices ask and which are searched: the paper's experiment, other folds, unseen patients."""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model.errors import EvaluationError
from model.evaluation.facts import Slices
from model.evaluation.folds import Folds

Protocol = Literal["paper", "folds", "unseen"]
PROTOCOLS: tuple[Protocol, ...] = ("paper", "folds", "unseen")
PAPER_LABELS = ("intracerebral_hemorrhage", "pituitary_tumor", "glioma")
PAPER_QUERIES = 50
ALL_LABELS = "all labels"

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """One choice of queries and gallery among the slices of a data set, as indices."""

    protocol: Protocol
    scope: str
    queries: NDArray[np.int64]
    gallery: NDArray[np.int64]
    own_group_left_out: bool
    notes: tuple[str, ...]


def splits(protocol: Protocol, slices: Slices, folds: Folds, seed: int = 0) -> tuple[Split, ...]:
    """A protocol's splits of `slices`, all labels first, then narrower ones.

    `seed` chooses the paper's 50 queries a class. Raises EvaluationError if a split would be empty.
    """
    makers: dict[Protocol, Callable[[Slices, Folds, int], tuple[Split, ...]]] = {
        "paper": _paper,
        "folds": _folds,
        "unseen": _unseen,
    }
    return makers[protocol](slices, folds, seed)


def _paper(slices: Slices, folds: Folds, seed: int) -> tuple[Split, ...]:
    """Wan et al. 2018, table 1: 50 queries a class, mean precision and recall of each class."""
    asked, kept = _fold_masks(slices, folds)
    classes = [name for name in PAPER_LABELS if name in slices.found_labels()]
    if len(classes) < len(PAPER_LABELS):
        raise EvaluationError(
            f"the paper's experiment needs the labels {', '.join(PAPER_LABELS)}; this list lacks "
            "one: use --protocol folds or unseen"
        )
    queries, notes = _fixed_queries(slices, asked, classes, seed)
    told = (*notes, _gallery_note(folds))
    return (
        _split("paper", "its three classes", queries, kept & slices.have_label(classes), told),
        _split("paper", "its classes among all labels", queries, kept, told),
    )


def _fixed_queries(
    slices: Slices, asked: Mask, classes: Sequence[str], seed: int
) -> tuple[Mask, tuple[str, ...]]:
    """The queries with the smallest hashes of seed and UID: the same ones in any order of rows."""
    chosen, notes = np.zeros(len(slices), np.bool_), []
    for name in classes:
        members = np.flatnonzero(asked & slices.have_label([name]))
        if not len(members):
            raise EvaluationError(f"no query has the label {name}")
        if len(members) < PAPER_QUERIES:
            notes.append(f"only {len(members)} queries of {name} instead of {PAPER_QUERIES}")
        chosen[sorted(members, key=lambda n: _lot(slices, n, seed))[:PAPER_QUERIES]] = True
    return chosen, tuple(notes)


def _lot(slices: Slices, number: np.int64, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}/{slices.sop_instance_uids[number] or number}".encode()).digest()


def _folds(slices: Slices, folds: Folds, _seed: int) -> tuple[Split, ...]:
    asked, kept = _fold_masks(slices, folds)
    told = (_gallery_note(folds),)
    return tuple(
        _split("folds", scope, asked & within, kept & within, told)
        for scope, within in _scopes(slices, asked).items()
    )


def _unseen(slices: Slices, folds: Folds, _seed: int) -> tuple[Split, ...]:
    asked = np.isin(slices.folds, folds.queries)
    made = []
    for scope, within in _scopes(slices, asked).items():
        told = [f"gallery: fold {_words(folds.queries)} without the query's own patient or series"]
        if not slices.patient_known[asked & within].all():
            told.append("an upper bound: series of unknown patients may be of the query's patient")
        made.append(
            _split("unseen", scope, asked & within, asked & within, told, own_group_left_out=True)
        )
    return tuple(made)


def _fold_masks(slices: Slices, folds: Folds) -> tuple[Mask, Mask]:
    if not folds.gallery:
        raise EvaluationError(
            "no fold is left for the gallery: name some with --gallery-folds, or use "
            "--protocol unseen"
        )
    return np.isin(slices.folds, folds.queries), np.isin(slices.folds, folds.gallery)


def _scopes(slices: Slices, asked: Mask) -> dict[str, Mask]:
    """All slices; then each modality with several labels, if there are several modalities."""
    scopes = {ALL_LABELS: np.ones(len(slices), np.bool_)}
    names = np.unique(slices.modalities)
    for name in names if len(names) > 1 else ():
        within = slices.modalities == name
        if len(np.unique(slices.labels[within])) > 1 and (asked & within).any():
            scopes[f"{name} only"] = within
    return scopes


def _split(
    protocol: Protocol,
    scope: str,
    queries: Mask,
    gallery: Mask,
    notes: Sequence[str],
    *,
    own_group_left_out: bool = False,
) -> Split:
    chosen = (np.flatnonzero(queries), np.flatnonzero(gallery))
    return Split(protocol, scope, *chosen, own_group_left_out, tuple(notes))


def _gallery_note(folds: Folds) -> str:
    unseen = set(folds.gallery) - set(folds.seen)
    known = "trained on" if not unseen else f"{_words(unseen)} never trained on"
    return f"gallery: fold {_words(folds.gallery)} ({known})"


def _words(folds: Collection[int]) -> str:
    return ", ".join(str(fold) for fold in sorted(folds))
