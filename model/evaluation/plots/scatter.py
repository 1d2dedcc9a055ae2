"""A map of gallery and queries: every slice a dot, near where its vector is near."""

from pathlib import Path

import numpy as np

from model.evaluation.facts import Slices
from model.evaluation.plots.canvas import colours, new_figure, words, write
from model.evaluation.plots.projection import t_sne
from model.evaluation.ranking import Vectors

_MOST_QUERIES, _MOST_GALLERY = 600, 900


def draw_map(
    query_vectors: Vectors,
    queries: Slices,
    gallery_vectors: Vectors,
    gallery: Slices,
    path: Path,
    title: str,
) -> Path:
    """Small pale dots are the gallery, ringed ones the queries; of many slices a fixed sample."""
    asked, kept = _sample(len(queries), _MOST_QUERIES), _sample(len(gallery), _MOST_GALLERY)
    places = t_sne(np.concatenate([query_vectors[asked], gallery_vectors[kept]]))
    figure = new_figure(9, 8)
    axes = figure.subplots()
    styles = (
        ("gallery", gallery.take(kept), places[len(asked) :], {"s": 9, "alpha": 0.45}),
        ("query", queries.take(asked), places[: len(asked)], {"s": 26, "edgecolors": "black"}),
    )
    for kind, slices, dots, style in styles:
        for label, colour in colours(slices.label_names).items():
            chosen = slices.have_label([label])
            if chosen.any():
                x, y = dots[chosen].T
                name = f"{words(label)}, {kind}"
                axes.scatter(x, y, color=colour, linewidths=0.5, label=name, **style)
    axes.set(xticks=[], yticks=[])
    axes.set_title(f"{title} (t-SNE: what is far apart in it need not be)")
    axes.legend(fontsize=8, markerscale=1.2)
    return write(figure, path)


def _sample(count: int, most: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, most, replace=False))
