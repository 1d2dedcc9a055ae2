"""The gallery's slices as a run began with them, kept in its folder: labels go on arriving.

Patients appear as their keys, as in the gallery's own list; the file is for its owner's eyes only.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.manifest import ManifestRow
from model.training.saved_run import holds_run
from service.errors import InvalidParameter
from service.training_set import GallerySlices

FROZEN_FILE = "gallery.json"


@dataclass(frozen=True)
class Asked:
    """Which labels of the gallery a run was told to learn from."""

    sources: tuple[str, ...] = ()
    study_labels: bool = False


@dataclass(frozen=True)
class GalleryList:
    """What was asked of the gallery, and what it had."""

    asked: Asked
    slices: GallerySlices


def freeze(folder: Path, chosen: GalleryList) -> None:
    """Keep a list in the folder of its run, readable by its owner alone.

    A folder that holds a run already is left as it is.
    """
    if holds_run(folder):
        return
    slices = chosen.slices
    document = asdict(chosen.asked) | {
        "rows": [asdict(row) | {"path": str(row.path)} for row in slices.rows],
        "by_source": dict(slices.sources),
        "left_out": dict(slices.left_out),
    }
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{FROZEN_FILE}.unfinished"
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(document), encoding="utf-8")
    unfinished.replace(folder / FROZEN_FILE)


def thaw(folder: Path, asked: Asked) -> GalleryList | None:
    """The list of the run that the folder holds; None if it holds none.

    Raises:
        InvalidParameter: that run was told to learn from other labels, or its list is damaged.
    """
    path = folder / FROZEN_FILE
    if not holds_run(folder) or not path.exists():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        began = Asked(tuple(document["sources"]), document["study_labels"])
        rows = tuple(_row(values) for values in document["rows"])
        slices = GallerySlices(rows, document["by_source"], document["left_out"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InvalidParameter(f"{path} cannot be read; name another --out") from error
    if (set(began.sources), began.study_labels) != (set(asked.sources), asked.study_labels):
        raise InvalidParameter(
            f"{folder} holds a run that began with {_options(began)}; "
            "say the same to go on with it, or name another --out"
        )
    return GalleryList(began, slices)


def _row(values: Mapping[str, Any]) -> ManifestRow:
    return ManifestRow(**{**values, "path": Path(values["path"])})


def _options(asked: Asked) -> str:
    words = [f"--label-source {source}" for source in sorted(asked.sources)]
    words += ["--study-labels"] if asked.study_labels else []
    return " ".join(words) or "neither --label-source nor --study-labels"
