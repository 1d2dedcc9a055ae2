"""The result picture shows each panel, marks the query and keeps text and pictures in place."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.demo.figure import Panel, draw_results

AMBER = (255, 176, 32)


def panel(grey: int, title: str = "1", lines: tuple[str, ...] = ("distance 0.1234",)) -> Panel:
    return Panel(np.full((64, 64), grey, dtype=np.uint8), title, lines)


def drawn(path: Path, query: Panel, *neighbours: Panel, **text: str) -> NDArray[Any]:
    draw_results(path / "demo.png", query, neighbours, **text)
    with Image.open(path / "demo.png") as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def columns_of(image: NDArray[Any], grey: int) -> NDArray[Any]:
    return np.flatnonzero((image == grey).all(axis=2).sum(axis=0) > 100)


def test_panels_stand_in_order_side_by_side(tmp_path: Path) -> None:
    greys = (60, 90, 120, 150, 180, 210)
    image = drawn(tmp_path, *(panel(grey) for grey in greys))
    height, width, _ = image.shape
    assert 3 < width / height < 6
    assert width > 6 * 256
    spans = [columns_of(image, grey) for grey in greys]
    assert all(span.size >= 256 for span in spans)
    assert all(a.max() < b.min() for a, b in pairwise(spans))


def test_only_the_query_is_framed(tmp_path: Path) -> None:
    image = drawn(tmp_path, panel(60), panel(90), panel(120))
    amber = np.flatnonzero((image == AMBER).all(axis=2).any(axis=0))
    assert amber.size > 0
    assert amber.max() < columns_of(image, 90).min()
    assert amber.min() < columns_of(image, 60).min()


def test_more_neighbours_make_it_wider_and_more_lines_higher(tmp_path: Path) -> None:
    small = drawn(tmp_path, panel(60), panel(90))
    wide = drawn(tmp_path, panel(60), panel(90), panel(90))
    high = drawn(tmp_path, panel(60), panel(90, lines=("a", "b", "c")))
    assert wide.shape[1] > small.shape[1]
    assert wide.shape[0] == small.shape[0]
    assert high.shape[0] > small.shape[0]


def test_a_query_without_neighbours_stands_alone(tmp_path: Path) -> None:
    image = drawn(tmp_path, panel(60))
    assert columns_of(image, 60).size >= 256


@pytest.mark.parametrize("shape", [(50, 200), (200, 50), (128, 128)])
def test_pictures_keep_their_aspect_ratio(tmp_path: Path, shape: tuple[int, int]) -> None:
    image = drawn(tmp_path, Panel(np.full(shape, 99, dtype=np.uint8), "Query"))
    shown = (image == 99).all(axis=2)
    rows, columns = np.flatnonzero(shown.sum(1) > 20), np.flatnonzero(shown.sum(0) > 20)
    assert rows.size / columns.size == pytest.approx(shape[0] / shape[1], rel=0.03)


def test_captions_are_written_and_long_ones_end_before_the_next_panel(tmp_path: Path) -> None:
    plain = drawn(tmp_path, panel(60, lines=("",)), panel(90, lines=("",)))
    short = drawn(tmp_path, panel(60, lines=("glioma",)), panel(90, lines=("",)))
    long = drawn(tmp_path, panel(60, lines=("glioma " * 40,)), panel(90, lines=("",)))
    end = [np.flatnonzero((text != plain).any(axis=2).any(axis=0)).max() for text in (short, long)]
    assert end[0] < end[1] <= columns_of(plain, 60).max()


def test_heading_and_footnote_take_their_own_room(tmp_path: Path) -> None:
    bare = drawn(tmp_path, panel(60), panel(90))
    full = drawn(tmp_path, panel(60), panel(90), heading="Nearest", footnote="Drawn heads.")
    assert full.shape[0] > bare.shape[0]
    assert full.shape[1] == bare.shape[1]


def test_a_pillow_image_is_taken_as_it_is(tmp_path: Path) -> None:
    array = drawn(tmp_path, panel(77))
    image = drawn(tmp_path, Panel(Image.new("L", (64, 64), 77), "1", ("distance 0.1234",)))
    np.testing.assert_array_equal(array, image)


@pytest.mark.parametrize(
    "pixels", [np.zeros((8, 8), dtype=np.float32), np.zeros((8, 8, 3), dtype=np.uint8)]
)
def test_other_pixels_are_refused(tmp_path: Path, pixels: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="uint8"):
        draw_results(tmp_path / "demo.png", Panel(pixels, "Query"), [])
