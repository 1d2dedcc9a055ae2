"""Contact sheets: a query and its first five results, where search did best and worst."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model.evaluation.per_query import NEIGHBOURS
from model.evaluation.plots.canvas import new_figure, words, write
from model.evaluation.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Images = NDArray[np.float32]

_QUERIES_A_LABEL = 3
_RIGHT, _WRONG, _ASKED = "#009e73", "#d55e00", "#777777"


def draw_sheet(
    report: Report, query_images: Images, gallery_images: Images, path: Path, *, best: bool
) -> Path:
    """A row a query, three queries of each label and never two of one group; framed by right and
    wrong label. Best and worst are by average precision."""
    chosen = _chosen(report, best=best)
    figure = new_figure(1.7 * (NEIGHBOURS + 1), 1.95 * len(chosen))
    rows = figure.subplots(len(chosen), NEIGHBOURS + 1, squeeze=False)
    found = report.per_query
    names = found.gallery.label_names
    precision = found.of("average_precision")
    for row, query in zip(rows, chosen, strict=True):
        label = found.queries.labels[query]
        title = f"{words(names[label])}\nAP {precision[query]:.3f}"
        _show(row[0], query_images[query], title, _ASKED)
        for axes, neighbour in zip(row[1:], found.neighbours[query], strict=True):
            if neighbour < 0:
                axes.set_axis_off()
                continue
            other = found.gallery.labels[neighbour]
            _show(
                axes,
                gallery_images[neighbour],
                words(names[other]),
                _RIGHT if other == label else _WRONG,
            )
    kind = "best" if best else "worst"
    figure.suptitle(f"{report.protocol}: {report.scope}, {kind} queries and their first results")
    return write(figure, path)


def _chosen(report: Report, *, best: bool) -> list[int]:
    """Indices of the queries to show, label by label."""
    found = report.per_query
    precision = found.of("average_precision")
    order = np.argsort(-precision if best else precision, kind="stable")
    chosen: list[int] = []
    for label in np.unique(found.queries.labels):
        groups: set[str] = set()
        for query in order[found.queries.labels[order] == label]:
            if len(groups) < _QUERIES_A_LABEL and found.queries.groups[query] not in groups:
                groups.add(str(found.queries.groups[query]))
                chosen.append(int(query))
    return chosen


def _show(axes: Axes, image: Images, title: str, colour: str) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=1)
    axes.set_title(title, fontsize=7)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=3)
