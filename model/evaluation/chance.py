"""What a random order of the gallery would score: exact expectations, no drawing of lots."""

import numpy as np
from numpy.typing import NDArray

from model.evaluation.measures import NDCG_AT, PRECISION_AT, RECALL_AT, Values

Counts = NDArray[np.int64]


def chance(relevant: Counts, graded_two: Counts, gallery: Counts) -> Values:
    """(N, len(MEASURES)) expected figures of N queries when every order is as likely.

    Of a query's `gallery` slices, `relevant` >= 1 have its label, and `graded_two` of these have
    grade 2.
    """
    share = relevant / gallery
    columns = [
        _average_precision(relevant, gallery),
        *(share * np.minimum(k, gallery) / k for k in PRECISION_AT),
        *(np.minimum(k, gallery) / gallery for k in RECALL_AT),
        share,
        _ndcg(relevant, graded_two, gallery),
    ]
    return np.stack(columns, axis=1)


def _average_precision(relevant: Counts, gallery: Counts) -> Values:
    """A slice at rank k is a hit with r/n; of the k-1 before it, (k-1)(r-1)/(n-1) are hits then."""
    harmonic = np.cumsum(1 / np.arange(1, gallery.max() + 1))[gallery - 1]
    others = (relevant - 1) / np.maximum(gallery - 1, 1)
    expected: Values = (harmonic + others * (gallery - harmonic)) / gallery
    return expected


def _ndcg(relevant: Counts, graded_two: Counts, gallery: Counts) -> Values:
    """The mean grade at every rank, over the ideal: first the twos, then the ones."""
    discounts = np.cumsum(np.r_[0, 1 / np.log2(np.arange(2, NDCG_AT + 2))])
    expected = (relevant + graded_two) / gallery * discounts[np.minimum(NDCG_AT, gallery)]
    ideal = discounts[np.minimum(NDCG_AT, relevant)] + discounts[np.minimum(NDCG_AT, graded_two)]
    values: Values = expected / ideal
    return values
