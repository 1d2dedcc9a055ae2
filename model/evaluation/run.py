"""A whole evaluation: encoders and controls on every split, and the differences between them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from model.dataset import Dataset
from model.evaluation.compare import Comparison, compare, evaluate_splits
from model.evaluation.controls import METADATA, RAW_PIXELS, SHUFFLED, metadata, raw_pixels
from model.evaluation.facts import Slices
from model.evaluation.folds import Folds
from model.evaluation.plan import Plan
from model.evaluation.ranking import Vectors
from model.evaluation.report import Report

Encode = Callable[[Dataset], Vectors]


@dataclass(frozen=True)
class Evaluation:
    """Reports of every method on every split, the encoder's first, and the paired differences."""

    folds: Folds
    seed: int
    resamples: int
    reports: tuple[Report, ...]
    comparisons: tuple[Comparison, ...]
    left_out: tuple[str, ...]

    def of(self, method: str) -> tuple[Report, ...]:
        """The reports of one method."""
        return tuple(report for report in self.reports if report.method == method)


def run(
    dataset: Dataset,
    plan: Plan,
    encoders: Mapping[str, Encode],
    *,
    controls: bool = True,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Measure encoders, the first being the one that the others are compared with.

    An encoder is any callable from the data set to (N, D) vectors. The plan is of the same slices,
    in the same order. Raises EvaluationError, and whatever an encoder raises.
    """
    slices = Slices.of(dataset)
    vectors = {name: encode(dataset) for name, encode in encoders.items()}
    if controls:
        vectors |= {RAW_PIXELS: raw_pixels(dataset.images), METADATA: metadata(dataset)}
        vectors[SHUFFLED] = next(iter(vectors.values()))
    reports = tuple(
        report
        for method, found in vectors.items()
        for report in evaluate_splits(
            plan.splits, slices, found, method, resamples=resamples, seed=seed
        )
    )
    comparisons = compare(reports, resamples=resamples, seed=seed) if resamples else ()
    return Evaluation(plan.folds, seed, resamples, reports, comparisons, plan.left_out)
