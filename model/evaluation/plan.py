"""What will be measured, settled and refused before any slice is decoded."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from model.errors import EvaluationError
from model.evaluation.facts import Slices
from model.evaluation.folds import Folds, choose_folds, trained_groups
from model.evaluation.protocols import PROTOCOLS, Protocol, Split, splits
from model.evaluation.refusals import refuse_sets, refuse_trained_queries
from model.manifest import ManifestRow


@dataclass(frozen=True)
class Request:
    """What a user asks for; None leaves the choice to what the checkpoint lists.

    `trained_on_folds` adds to that list. `labels` narrows queries and gallery. `seed` chooses the
    paper's queries.
    """

    protocols: tuple[Protocol, ...] = PROTOCOLS
    query_folds: tuple[int, ...] | None = None
    gallery_folds: tuple[int, ...] | None = None
    trained_on_folds: tuple[int, ...] | None = None
    labels: tuple[str, ...] | None = None
    seed: int = 0


@dataclass(frozen=True)
class Plan:
    """The slices that take part, in order, and what is measured on them.

    `left_out` says why protocols are not among the splits.
    """

    rows: tuple[ManifestRow, ...]
    folds: Folds
    splits: tuple[Split, ...]
    left_out: tuple[str, ...]


def make_plan(rows: Sequence[ManifestRow], listed: Collection[str], request: Request) -> Plan:
    """Choose folds, slices and splits; `listed` are the `listed_groups` of the checkpoint.

    Of several protocols, those that these slices do not allow are left out. Raises EvaluationError
    if the encoder learnt from patients of the queries, or if nobody can say; if no protocol is
    left; if a split has nothing to find, patients on both sides, or a label of one patient only.
    """
    rows = _with_labels(rows, request.labels)
    trained_on = trained_groups(listed, rows, request.trained_on_folds)
    folds = choose_folds(rows, trained_on, request.query_folds, request.gallery_folds)
    refuse_trained_queries(
        (row.patient_id for row in rows if row.fold in folds.queries), trained_on
    )
    chosen = tuple(row for row in rows if row.fold in {*folds.queries, *folds.gallery})
    return _plan(chosen, folds, request)


def narrow_plan(plan: Plan, rows: Sequence[ManifestRow], request: Request) -> Plan:
    """The plan for those of its rows that could be read; folds stay. Raises as `make_plan` does."""
    return plan if len(rows) == len(plan.rows) else _plan(tuple(rows), plan.folds, request)


def _plan(rows: tuple[ManifestRow, ...], folds: Folds, request: Request) -> Plan:
    slices = Slices.listed(rows)
    made, left_out = _splits(slices, folds, request)
    for split in made:
        _refuse(split, slices)
    return Plan(rows, folds, made, left_out)


def _with_labels(
    rows: Sequence[ManifestRow], labels: Collection[str] | None
) -> tuple[ManifestRow, ...]:
    if labels is None:
        return tuple(rows)
    there = {row.label for row in rows}
    if empty := sorted(set(labels) - there):
        raise EvaluationError(
            f"no slice has the label {', '.join(empty)}; there are: {', '.join(sorted(there))}"
        )
    return tuple(row for row in rows if row.label in labels)


def _splits(
    slices: Slices, folds: Folds, request: Request
) -> tuple[tuple[Split, ...], tuple[str, ...]]:
    made: list[Split] = []
    left_out: list[str] = []
    for protocol in request.protocols:
        try:
            made += splits(protocol, slices, folds, request.seed)
        except EvaluationError as error:
            if len(request.protocols) == 1:
                raise
            left_out.append(f"protocol {protocol} left out: {error}")
    if not made:
        raise EvaluationError("; ".join(left_out))
    return tuple(made), tuple(left_out)


def _refuse(split: Split, slices: Slices) -> None:
    queries, gallery = slices.take(split.queries), slices.take(split.gallery)
    try:
        refuse_sets(queries, gallery, own_group_left_out=split.own_group_left_out)
    except EvaluationError as error:
        raise EvaluationError(f"{split.protocol}, {split.scope}: {error}") from error
