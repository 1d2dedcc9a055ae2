"""The one way from vectors to a report, for encoders, other networks and controls alike."""

from collections.abc import Collection, Sequence

from model.dataset import Dataset
from model.evaluation.facts import Slices
from model.evaluation.per_query import measure_queries
from model.evaluation.ranking import Vectors
from model.evaluation.refusals import refuse_labels, refuse_sets
from model.evaluation.report import Report
from model.evaluation.summary import summarise


def evaluate(
    query_vectors: Vectors,
    query_set: Dataset | Slices,
    gallery_vectors: Vectors,
    gallery_set: Dataset | Slices,
    *,
    labels: Collection[str] | None = None,
    own_group_left_out: bool = False,
    resamples: int = 1000,
    seed: int = 0,
    method: str = "encoder",
    protocol: str = "own",
    scope: str = "all labels",
    notes: Sequence[str] = (),
) -> Report:
    """Rank the gallery for every query and sum up; vectors are (N, D) and (M, D), any encoder's.

    `labels` narrows queries and gallery; with `own_group_left_out` a query's own patient or series
    is not in its gallery. `resamples` 0 leaves the intervals out. `method`, `protocol`, `scope` and
    `notes` only name the report. Raises EvaluationError if a label asked for is empty, has one
    patient only or is not in the gallery, if patients are on both sides, or the vectors do not fit.
    """
    queries, gallery = _facts(query_set), _facts(gallery_set)
    if labels is not None:
        refuse_labels(labels, queries, gallery)
        asked, kept = queries.have_label(labels), gallery.have_label(labels)
        query_vectors, queries = query_vectors[asked], queries.take(asked)
        gallery_vectors, gallery = gallery_vectors[kept], gallery.take(kept)
    refuse_sets(queries, gallery, own_group_left_out=own_group_left_out)
    found = measure_queries(
        query_vectors, queries, gallery_vectors, gallery, own_group_left_out=own_group_left_out
    )
    summary = summarise(found, resamples, seed)
    return Report(method, protocol, scope, len(queries), len(gallery), summary, tuple(notes), found)


def _facts(slices: Dataset | Slices) -> Slices:
    return slices if isinstance(slices, Slices) else Slices.of(slices)
