"""Encoders by the names people give them. No torch: names are settled before it is loaded."""

from pathlib import Path
from typing import get_args

from model.checkpoint import ShippedName, checkpoint_named


def encoder_path(name: str) -> Path:
    """The encoder that ships as `default` or `dev`, or else the file of that path.

    Raises CheckpointMissingError where none ships under that name.
    """
    for shipped in get_args(ShippedName):
        if name == shipped:
            return checkpoint_named(shipped)
    return Path(name)
