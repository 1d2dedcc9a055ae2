"""Images that are unlike every head, embedded as the worker would embed them, for figures."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.preprocess import PreprocessConfig
from service.decoding import DecodePool, Opening, prepare_opening
from service.errors import InvalidParameter
from service.settings import WorkerSettings

Embed = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def read_unlike(table: Path, folder: Path) -> list[Path]:
    """The files that a CSV table with a column `file` lists, by their paths in `folder`.

    Raises:
        InvalidParameter: the table has no such column, or lists nothing.
    """
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows or not rows[0].get("file"):
        raise InvalidParameter(f"{table.name} needs a header line with the column file, and files.")
    return [folder / row["file"] for row in rows]


def embed_unlike(
    paths: Sequence[Path], config: PreprocessConfig, embed: Embed, settings: WorkerSettings
) -> NDArray[np.float32]:
    """Coordinates (N, D) of the first frame of each file.

    Raises:
        InvalidParameter: one of them gives no picture; the message says why.
    """
    pool = DecodePool(
        settings.decode_processes, settings.decode_timeout_s, settings.decode_memory_mb
    )
    try:
        pictures = []
        found = pool.run(prepare_opening, [(path, config) for path in paths])
        for path, opening in zip(paths, found, strict=True):
            if not isinstance(opening, Opening):
                raise InvalidParameter(f"{path.name} gives no picture: {opening.reason}")
            pictures.append(opening.first.pictures[0])
    finally:
        pool.close()
    return embed(np.stack(pictures))
