"""Empty figures and one colour a label. Matplotlib is imported only when something is drawn.

pyplot is not used: it would choose a backend for the whole process.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import EvaluationError
from model.patient_pictures import write_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito 2008: told apart by colour-blind readers too.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")
_DOTS_PER_INCH = 120


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches. Raises EvaluationError where matplotlib is not installed."""
    need_matplotlib()
    from matplotlib.figure import Figure  # noqa: PLC0415

    return Figure(figsize=(width, height), layout="constrained")


def need_matplotlib() -> None:
    """Raise EvaluationError where matplotlib is not installed."""
    try:
        import matplotlib.figure  # noqa: F401, PLC0415
    except ImportError as error:
        raise EvaluationError("plots need matplotlib: pip install 'precuneus[evaluate]'") from error


def write(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG that only its owner may read; returns its path."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=_DOTS_PER_INCH, format="png")
    write_picture(path, drawn.getvalue())
    return path


def colours(labels: Sequence[str]) -> dict[str, str]:
    """One colour a label, always the same for the same labels; they repeat after eight."""
    return {name: _COLOURS[n % len(_COLOURS)] for n, name in enumerate(labels)}


def words(label: str) -> str:
    """A label as a person writes it."""
    return label.replace("_", " ")
