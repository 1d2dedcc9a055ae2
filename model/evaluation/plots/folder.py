"""All plots of one report, in a folder of the user's."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from model.dataset import Dataset
from model.errors import EvaluationError
from model.evaluation.plots.canvas import need_matplotlib
from model.evaluation.plots.confusion import draw_confusion
from model.evaluation.plots.curves import draw_curves
from model.evaluation.plots.scatter import draw_map
from model.evaluation.plots.sheets import draw_sheet
from model.evaluation.protocols import Split
from model.evaluation.ranking import Vectors
from model.evaluation.report import Report
from model.patient_pictures import refuse_repository


def open_folder(folder: Path) -> None:
    """Make the folder that plots go to, for its owner alone; an existing one stays as it is.

    Raises EvaluationError in a git work tree, without matplotlib, or where nothing can be written.
    """
    refuse_repository(folder)
    need_matplotlib()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EvaluationError(f"no folder for plots can be made at {folder}: {error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise EvaluationError(f"plots cannot be written into {folder}: it is not yours to write")


def write_all(
    folder: Path,
    reports: Sequence[Report],
    splits: Sequence[Split],
    dataset: Dataset,
    vectors: Vectors,
    progress: Callable[[], None],
) -> None:
    """Plots of each report and, of the first protocol that asks every query, the pictures.

    Reports and splits belong together in pairs. Raises as `write_plots` does.
    """
    pictured = next((s.protocol for s in splits if s.protocol != "paper"), "paper")
    for report, split in zip(reports, splits, strict=True):
        write_plots(folder, report)
        if split.protocol == pictured:
            write_pictures(folder, report, split, dataset, vectors)
        progress()


def write_plots(folder: Path, report: Report) -> tuple[Path, ...]:
    """Curves and confusion matrix of a report.

    Raises EvaluationError as `open_folder` does, OSError as the disk pleases.
    """
    stem = _stem(folder, report)
    return (
        draw_curves(report, folder / f"{stem}-curves.png"),
        draw_confusion(report, folder / f"{stem}-first-neighbour.png"),
    )


def write_pictures(
    folder: Path, report: Report, split: Split, dataset: Dataset, vectors: Vectors
) -> tuple[Path, ...]:
    """Map, best and worst sheet of a report; `vectors` (N, D) belong to the data set.

    These show slices of patients. Raises as `write_plots` does.
    """
    stem = _stem(folder, report)
    asked, kept = dataset.images[split.queries], dataset.images[split.gallery]
    return (
        draw_map(
            vectors[split.queries],
            report.per_query.queries,
            vectors[split.gallery],
            report.per_query.gallery,
            folder / f"{stem}-map.png",
            f"{report.protocol}: {report.scope}",
        ),
        draw_sheet(report, asked, kept, folder / f"{stem}-best.png", best=True),
        draw_sheet(report, asked, kept, folder / f"{stem}-worst.png", best=False),
    )


def _stem(folder: Path, report: Report) -> str:
    open_folder(folder)
    return f"{report.protocol}-{report.scope}".replace(" ", "-")
