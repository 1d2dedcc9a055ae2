"""The result picture: a query and its nearest neighbours side by side, each with its caption.

Draws what it is given and reads nothing; the caller keeps patients' names and IDs out of the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_TILE = 288
_GAP = 18
_MARGIN = 36
_QUERY_GAP = 54
_TITLE_SIZE = 20
_LINE_SIZE = 15
_LINE_STEP = 22

_BACKGROUND = (14, 16, 20)
_TILE_BACKGROUND = (0, 0, 0)
_RULE = (52, 58, 68)
_HEADING = (236, 239, 244)
_TITLE = (224, 228, 235)
_TEXT = (150, 158, 171)
_ACCENT = (255, 176, 32)

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Panel:
    """One picture of the row: 8-bit grey (H, W) or a Pillow image, and the caption below it."""

    pixels: NDArray[np.uint8] | Image.Image
    title: str
    lines: tuple[str, ...] = ()


def draw_results(
    path: Path,
    query: Panel,
    neighbours: Sequence[Panel],
    *,
    heading: str = "",
    footnote: str = "",
) -> None:
    """Writes a PNG with the framed query on the left and its neighbours, in order, on its right.

    Pictures keep their aspect ratio inside square tiles. Text too long for its tile is shortened.
    Raises ValueError for pixels that are not 8-bit grey, OSError when `path` cannot be written.
    """
    panels = (query, *neighbours)
    heading_height = 52 if heading else 0
    footnote_height = 40 if footnote else 0
    caption = 40 + _LINE_STEP * max(len(panel.lines) for panel in panels)
    width = 2 * _MARGIN + len(panels) * (_TILE + _GAP) - _GAP
    width += _QUERY_GAP - _GAP if neighbours else 0
    height = 2 * _MARGIN + heading_height + _TILE + caption + footnote_height
    canvas = Image.new("RGB", (width, height), _BACKGROUND)
    pen = ImageDraw.Draw(canvas)
    top = _MARGIN + heading_height
    room = width - 2 * _MARGIN
    if heading:
        _write(pen, (_MARGIN, _MARGIN - 6), heading, 26, _HEADING, room)
    left = _MARGIN
    for panel in panels:
        _draw_panel(canvas, pen, (left, top), panel, framed=panel is query)
        if panel is query and neighbours:
            rule = left + _TILE + _QUERY_GAP // 2
            pen.line((rule, top, rule, top + _TILE + caption - 8), fill=_RULE, width=1)
        left += _TILE + (_QUERY_GAP if panel is query else _GAP)
    if footnote:
        _write(pen, (_MARGIN, height - _MARGIN - 14), footnote, 13, _TEXT, room)
    canvas.save(path, format="PNG", optimize=True)


def _draw_panel(
    canvas: Image.Image,
    pen: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    panel: Panel,
    *,
    framed: bool,
) -> None:
    left, top = corner
    pen.rectangle((left, top, left + _TILE - 1, top + _TILE - 1), fill=_TILE_BACKGROUND)
    picture = _fitted(panel.pixels)
    inset = ((_TILE - picture.width) // 2, (_TILE - picture.height) // 2)
    canvas.paste(picture, (left + inset[0], top + inset[1]))
    if framed:
        frame = (left - 4, top - 4, left + _TILE + 3, top + _TILE + 3)
        pen.rectangle(frame, outline=_ACCENT, width=3)
    title_at = (left, top + _TILE + 12)
    _write(pen, title_at, panel.title, _TITLE_SIZE, _ACCENT if framed else _TITLE, _TILE)
    for row, line in enumerate(panel.lines):
        line_at = (left, top + _TILE + 42 + row * _LINE_STEP)
        _write(pen, line_at, line, _LINE_SIZE, _TEXT, _TILE)


def _fitted(pixels: NDArray[np.uint8] | Image.Image) -> Image.Image:
    """The picture as RGB, as large as a tile allows, its shape kept."""
    if isinstance(pixels, np.ndarray):
        if pixels.dtype != np.uint8 or pixels.ndim != 2:
            raise ValueError("a panel's pixels must be uint8 (H, W)")
        pixels = Image.fromarray(pixels)
    scale = _TILE / max(pixels.size)
    size = (max(round(pixels.width * scale), 1), max(round(pixels.height * scale), 1))
    return pixels.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def _write(
    pen: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    colour: tuple[int, int, int],
    room: int,
) -> None:
    """One line of text, ended by an ellipsis where it would leave its room (pixels)."""
    font: _Font = ImageFont.load_default(size)
    shown = text
    while shown and pen.textlength(shown, font=font) > room:
        shown = shown[:-2].rstrip() + "…" if len(shown) > 1 else ""
    pen.text(at, shown, font=font, fill=colour)
