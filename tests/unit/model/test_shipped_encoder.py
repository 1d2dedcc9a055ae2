"""The shipped weights keep what the model card promises."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from model.checkpoint import default_checkpoint, describe, load
from model.embedder import Embedder
from model.figures import measure
from model.manifest import ManifestRow, load_dataset, read_manifest

TUMOURS = ("glioma", "meningioma", "pituitary_tumor")
CARD = Path(__file__).resolve().parents[3] / "docs" / "model-card.md"


def test_the_model_card_describes_the_shipped_checkpoint() -> None:
    path = default_checkpoint()
    _, info = describe(path)
    card = CARD.read_text(encoding="utf-8")

    assert path.name in card
    for name in ("tumours_macro_map", "tumours_macro_p10", "raw_pixels_tumours_macro_map"):
        assert f"{info.metrics[name]:.3f}" in card


def test_its_recorded_figures_beat_raw_pixels() -> None:
    _, info = describe(default_checkpoint())

    for name in ("tumours_macro_map", "tumours_macro_p10"):
        assert info.metrics[name] > info.metrics[f"raw_pixels_{name}"]


def decode(path: Path) -> NDArray[np.float32]:
    return pydicom.dcmread(path).pixel_array.astype(np.float32)


def some(rows: Sequence[ManifestRow], a_label: int) -> list[ManifestRow]:
    """Rows of each tumour, spread over its patients."""
    chosen = []
    for label in TUMOURS:
        of_label = [row for row in rows if row.label == label]
        places = np.linspace(0, len(of_label) - 1, a_label).astype(int)
        chosen += [of_label[place] for place in places]
    return chosen


def test_on_a_sample_of_real_tumours_it_beats_raw_pixels_by_far(shared_data: Path) -> None:
    embedder = Embedder(load(default_checkpoint()))
    listed = shared_data / "slices.csv"
    queries = some(read_manifest(listed, folds=(4,)), 10)
    gallery = some(read_manifest(listed, folds=(1, 2, 3)), 40)

    figures = measure(
        embedder,
        load_dataset(queries, decode, embedder.preprocess_config, TUMOURS),
        load_dataset(gallery, decode, embedder.preprocess_config, TUMOURS),
        {"tumours": TUMOURS},
    )

    assert figures["tumours_macro_map"] > figures["raw_pixels_tumours_macro_map"] + 0.15
    assert figures["tumours_macro_p10"] > figures["raw_pixels_tumours_macro_p10"] + 0.10
