"""What the nearest slice was, for queries of each label."""

from pathlib import Path

import numpy as np

from model.evaluation.plots.canvas import new_figure, words, write
from model.evaluation.report import Report


def draw_confusion(report: Report, path: Path) -> Path:
    """Rows: label of the query; columns: label of the first neighbour; shares of the row."""
    rows = report.summary.first_neighbour
    columns = list(next(iter(rows.values())))
    counts = np.array([[row[name] for name in columns] for row in rows.values()])
    shares = counts / counts.sum(axis=1, keepdims=True)
    figure = new_figure(2.5 + 1.1 * len(columns), 2 + 0.8 * len(rows))
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (y, x), count in np.ndenumerate(counts):
        colour = "white" if shares[y, x] > 0.5 else "black"
        text = f"{shares[y, x]:.2f}\n({count})"
        axes.text(x, y, text, ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(columns)), [words(name) for name in columns], rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), [words(name) for name in rows])
    axes.set(xlabel="label of the first neighbour", ylabel="label of the query")
    axes.set_title(f"{report.protocol}: {report.scope}")
    return write(figure, path)
