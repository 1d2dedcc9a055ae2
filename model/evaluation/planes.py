"""Planes of the MR groups of the tumour collection, sorted once by eye: it does not tell them."""

from importlib import resources
from pathlib import Path

from model.manifest import read_planes


def shipped_planes() -> dict[str, str]:
    """Group -> axial, coronal or sagittal; groups of other collections are not in it."""
    return read_planes(Path(str(resources.files("model"))) / "evaluation" / "mr_planes.csv")
