"""Precision against recall, one line a label."""

from pathlib import Path

from model.evaluation.measures import RECALL_LEVELS
from model.evaluation.plots.canvas import colours, new_figure, words, write
from model.evaluation.report import Report


def draw_curves(report: Report, path: Path) -> Path:
    """Interpolated precision, mean over the queries of each label; dotted: chance."""
    figure = new_figure(7, 6.5)
    axes = figure.subplots()
    shown = colours(report.per_query.gallery.label_names)
    for label in report.summary.labels:
        figures, colour = label.figures, shown[label.label]
        average = figures["average_precision"].value
        name = f"{words(label.label)} (mAP {average:.3f}, {label.queries} queries)"
        axes.plot(RECALL_LEVELS, label.curve, color=colour, label=name)
        axes.axhline(figures["recall_at_relevant"].chance, color=colour, linestyle=":", linewidth=1)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title(f"{report.protocol}: {report.scope}")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", fontsize=9)
    return write(figure, path)
