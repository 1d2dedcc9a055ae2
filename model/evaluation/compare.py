"""Several encoders and controls on the same splits, and how far they lie apart."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.evaluation.bootstrap import Difference, paired_differences
from model.evaluation.controls import SHUFFLED, answerable, shuffled
from model.evaluation.evaluate import evaluate
from model.evaluation.facts import Slices
from model.evaluation.protocols import Split
from model.evaluation.ranking import Vectors
from model.evaluation.report import Report


@dataclass(frozen=True)
class Comparison:
    """Macro figures of `method` minus those of `other`, with paired intervals, by measure."""

    method: str
    other: str
    protocol: str
    scope: str
    differences: Mapping[str, Difference]


def evaluate_splits(
    splits: Iterable[Split],
    slices: Slices,
    vectors: Vectors,
    method: str,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[Report, ...]:
    """One report a split; `vectors` (N, D) belong to the N `slices`. Raises EvaluationError."""
    reports = []
    for split in splits:
        gallery, asked = slices.take(split.gallery), split
        if method == SHUFFLED:
            gallery = shuffled(gallery, seed)
            asked = _answerable(split, slices, gallery)
        report = evaluate(
            vectors[asked.queries],
            slices.take(asked.queries),
            vectors[split.gallery],
            gallery,
            own_group_left_out=split.own_group_left_out,
            resamples=resamples,
            seed=seed,
            method=method,
            protocol=split.protocol,
            scope=split.scope,
            notes=asked.notes,
        )
        reports.append(report)
    return tuple(reports)


def _answerable(split: Split, slices: Slices, gallery: Slices) -> Split:
    """The split without queries for which the shuffled labels left nothing to find."""
    if not split.own_group_left_out:
        return split
    kept = answerable(slices.take(split.queries), gallery)
    if kept.all():
        return split
    left_out = int(np.count_nonzero(~kept))
    note = f"{left_out} queries left out: all slices of their shuffled label are of their own group"
    return replace(split, queries=split.queries[kept], notes=(*split.notes, note))


def compare(
    reports: Sequence[Report], *, resamples: int = 1000, seed: int = 0
) -> tuple[Comparison, ...]:
    """The first report of each split against the others of that split, as far as labels are true.

    Raises EvaluationError if reports of one split are of different queries.
    """
    first: dict[tuple[str, str], Report] = {}
    found = []
    for report in reports:
        one = first.setdefault((report.protocol, report.scope), report)
        if report is one or report.method == SHUFFLED:
            continue
        apart = paired_differences(one.per_query, report.per_query, resamples=resamples, seed=seed)
        found.append(Comparison(one.method, report.method, report.protocol, report.scope, apart))
    return tuple(found)
