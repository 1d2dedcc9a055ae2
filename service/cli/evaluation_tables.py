"""An evaluation as tables for people: every figure with chance and interval in sight."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from model.evaluation.bootstrap import Difference
from model.evaluation.compare import Comparison
from model.evaluation.controls import SHUFFLED
from model.evaluation.report import Figure, Report
from model.evaluation.run import Evaluation
from service.cli.output import print_table

_COLUMNS = {
    "average_precision": "mAP",
    "precision_at_1": "P@1",
    "precision_at_5": "P@5",
    "precision_at_10": "P@10",
    "precision_at_20": "P@20",
    "recall_at_10": "R@10",
    "recall_at_50": "R@50",
    "recall_at_100": "R@100",
    "recall_at_relevant": "R@relevant",
    "ndcg_at_10": "nDCG@10",
}
_LOWER = ("mAP lower by", "nDCG@10 lower by")
_COMPARED = ("average_precision", "precision_at_10", "recall_at_relevant", "ndcg_at_10")


def print_evaluation(found: Evaluation) -> None:
    """Print every report of the encoder, then what it is compared with."""
    encoder = found.reports[0].method
    for report in found.of(encoder):
        _print_report(report)
    if len(found.reports) > len(found.of(encoder)):
        _print_controls(found, encoder)
    for words in found.left_out:
        typer.echo(words)


def print_unreadable(files: Sequence[Path]) -> None:
    """Name the listed files that gave no slice."""
    if files:
        typer.echo(f"{len(files)} listed files give no slice and are left out:")
    for path in files:
        typer.echo(f"  {path}")


def _print_report(report: Report) -> None:
    summary = report.summary
    rows: list[tuple[object, ...]] = [
        (label.label, label.queries, label.query_groups, label.gallery, *_values(label.figures))
        for label in summary.labels
    ]
    total = (report.queries, "", report.gallery)
    rows.append(("macro (mean over labels)", *total, *_values(summary.macro)))
    if summary.intervals != "none":
        rows.append(("  95 % interval", "", "", "", *map(_interval, _figures(summary.macro))))
    chance = [f"{figure.chance:.3f}" for figure in _figures(summary.macro)]
    rows.append(("  chance", "", "", "", *chance))
    rows.append(("mean over queries", *total, *_values(summary.over_queries)))
    columns = ("label", "queries", "groups", "gallery", *_COLUMNS.values())
    print_table(f"{report.protocol}, {report.scope}", columns, rows)
    for words in (*report.notes, f"intervals: {summary.intervals}"):
        typer.echo(f"  {words}")
    typer.echo()


def _print_controls(found: Evaluation, encoder: str) -> None:
    apart = {(c.protocol, c.scope, c.other): c for c in found.comparisons}
    rows: list[tuple[object, ...]] = []
    for report in found.of(encoder):
        others = [
            other
            for other in found.reports
            if (other.protocol, other.scope) == (report.protocol, report.scope)
        ]
        for other in others:
            compared = apart.get((other.protocol, other.scope, other.method))
            rows.append((f"{report.protocol}, {report.scope}", *_control(other, compared)))
    columns = ("protocol", "vectors", *(_COLUMNS[name] for name in _COMPARED), *_LOWER)
    print_table("Macro figures beside the controls", columns, rows)
    typer.echo(f"  {SHUFFLED}: the encoder's vectors, the gallery's labels dealt out anew once")


def _control(report: Report, compared: Comparison | None) -> tuple[object, ...]:
    figures = [f"{report.summary.macro[name].value:.3f}" for name in _COMPARED]
    if compared is None:
        return (report.method, *figures, "", "")
    apart = [compared.differences[name] for name in ("average_precision", "ndcg_at_10")]
    return (report.method, *figures, *map(_lower, apart))


def _lower(difference: Difference) -> str:
    value, low, high = difference.value, difference.low, difference.high
    between = "–" if low is None or high is None else f"{low:.3f} to {high:.3f}"
    return f"{value:.3f} ({between})"


def _figures(figures: Mapping[str, Figure]) -> list[Figure]:
    return [figures[name] for name in _COLUMNS]


def _values(figures: Mapping[str, Figure]) -> list[str]:
    return [f"{figure.value:.3f}" for figure in _figures(figures)]


def _interval(figure: Figure) -> str:
    return "–" if figure.low is None else f"{figure.low:.2f}–{figure.high:.2f}"
