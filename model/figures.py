"""The figures a checkpoint is judged by, with the baseline that it must beat beside them.

Evaluation only: it changes nothing and prints nothing.
"""

from collections.abc import Collection, Mapping

import numpy as np

from model.dataset import Dataset
from model.embedder import Embedder
from model.errors import DatasetError
from model.evaluate import Vectors, raw_pixels, score_labels


def measure(
    embedder: Embedder,
    query_set: Dataset,
    gallery_set: Dataset,
    subsets: Mapping[str, Collection[str]],
) -> dict[str, float]:
    """Retrieval figures in 0..1 of the encoder, of 32 x 32 raw pixels and of chance.

    `subsets` names groups of labels; queries and gallery are narrowed to one group at a time. For
    each group there are `<group>_macro_map`, `_query_map` and `_macro_p10`, the same with
    `raw_pixels_` before them, and for chance, a random order of a large gallery, the two mAP with
    `chance_` before them. Raises DatasetError if a set was not prepared for this encoder.
    """
    if {query_set.preprocess, gallery_set.preprocess} != {embedder.preprocess_config}:
        raise DatasetError("the slices were not prepared as this encoder asks")
    queries = embedder.coordinates(query_set.images)
    gallery = embedder.coordinates(gallery_set.images)
    raw_queries, raw_gallery = raw_pixels(query_set.images), raw_pixels(gallery_set.images)
    figures: dict[str, float] = {}
    for name, labels in subsets.items():
        figures |= _scores(name, queries, query_set, gallery, gallery_set, labels)
        raw = _scores(name, raw_queries, query_set, raw_gallery, gallery_set, labels)
        figures |= {f"raw_pixels_{key}": value for key, value in raw.items()}
        figures |= _chance(name, query_set, gallery_set, labels)
    return figures


def _scores(
    name: str,
    queries: Vectors,
    query_set: Dataset,
    gallery: Vectors,
    gallery_set: Dataset,
    labels: Collection[str],
) -> dict[str, float]:
    scores = score_labels(queries, query_set, gallery, gallery_set, labels)
    return {
        f"{name}_macro_map": scores.macro_map,
        f"{name}_query_map": scores.query_map,
        f"{name}_macro_p10": scores.macro_precision_at[10],
    }


def _chance(
    name: str, query_set: Dataset, gallery_set: Dataset, labels: Collection[str]
) -> dict[str, float]:
    """A random order finds every label by its share in the gallery."""
    chosen = [n for n, known in enumerate(gallery_set.label_names) if known in labels]
    kept = gallery_set.labels[np.isin(gallery_set.labels, chosen)]
    asked = query_set.labels[np.isin(query_set.labels, chosen)]
    shares = np.bincount(kept, minlength=len(gallery_set.label_names)) / len(kept)
    return {
        f"chance_{name}_macro_map": float(shares[np.unique(asked)].mean()),
        f"chance_{name}_query_map": float(shares[asked].mean()),
    }
