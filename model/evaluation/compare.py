"""Several encoders and controls on the same splits, and how far they lie apart."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from model.evaluation.bootstrap import Difference, paired_differences
from model.evaluation.controls import SHUFFLED, shuffled
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
    return tuple(
        evaluate(
            vectors[split.queries],
            slices.take(split.queries),
            vectors[split.gallery],
            _gallery(slices.take(split.gallery), method, seed),
            own_group_left_out=split.own_group_left_out,
            resamples=resamples,
            seed=seed,
            method=method,
            protocol=split.protocol,
            scope=split.scope,
            notes=split.notes,
        )
        for split in splits
    )


def _gallery(gallery: Slices, method: str, seed: int) -> Slices:
    return shuffled(gallery, seed) if method == SHUFFLED else gallery


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
