"""Which folds ask and which are searched, from what the encoder was trained on."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from model.checkpoint import CheckpointInfo, hash_group
from model.errors import EvaluationError
from model.manifest import ManifestRow


@dataclass(frozen=True)
class Folds:
    """Folds of queries and of the gallery; `seen` are the gallery's that were trained on."""

    queries: tuple[int, ...]
    gallery: tuple[int, ...]
    seen: tuple[int, ...]


def listed_groups(info: CheckpointInfo) -> tuple[str, ...]:
    """The hashed groups of a checkpoint that the patient ids of a list can be held against.

    An encoder trained from a gallery lists that gallery's patient keys, which no list of slices
    has: nobody would ever be recognised, so it counts as listing nothing.
    """
    return info.trained_on if info.group_kind == "patient_id" else ()


def trained_groups(
    listed: Collection[str], rows: Sequence[ManifestRow], folds: Collection[int] | None
) -> frozenset[str]:
    """Hashed groups that an encoder has seen: `listed_groups` and those of `folds`.

    Raises EvaluationError if neither says anything: older checkpoints list no groups.
    """
    if not listed and folds is None:
        raise EvaluationError(
            "this checkpoint does not list the patients that it was trained on, or only by the "
            "keys of a gallery, so nothing proves that the queries are new to it: say it with "
            "--trained-on-folds (`none`: with none of this list)"
        )
    said = folds or ()
    return frozenset(listed) | {hash_group(row.patient_id) for row in rows if row.fold in said}


def choose_folds(
    rows: Sequence[ManifestRow],
    trained_on: Collection[str],
    queries: Collection[int] | None = None,
    gallery: Collection[int] | None = None,
) -> Folds:
    """Fill in what was not asked for.

    Queries are the folds of which nothing was trained on (of a list that the encoder never saw: the
    last fold), the gallery the folds that were trained on (or all others). Raises EvaluationError
    if a fold is not there, is on both sides, or none is named or left to ask.
    """
    there = sorted({row.fold for row in rows})
    seen = {row.fold for row in rows if hash_group(row.patient_id) in trained_on}
    if missing := {*(queries or ()), *(gallery or ())} - set(there):
        raise EvaluationError(f"the list has no fold {_words(missing)}; it has {_words(there)}")
    if queries is not None and not queries:
        raise EvaluationError("without a fold of queries there is nothing to measure")
    taken = set(gallery or ())
    if queries is None:
        untouched = [fold for fold in there if fold not in seen | taken]
        queries = untouched if seen else untouched[-1:]
    if not queries:
        raise EvaluationError(
            "the encoder was trained on every fold of this list: take one that was not "
            "(--encoder dev), or a list with other patients"
        )
    if gallery is None:
        others = [fold for fold in there if fold not in queries]
        gallery = [fold for fold in others if fold in seen] or others
    if both := set(queries) & set(gallery):
        raise EvaluationError(f"fold {_words(both)} cannot be queries and gallery at once")
    return Folds(*(tuple(sorted(part)) for part in (queries, gallery, seen & set(gallery))))


def _words(folds: Collection[int]) -> str:
    return ", ".join(str(fold) for fold in sorted(folds))
