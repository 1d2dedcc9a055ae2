"""Markdown's few forms that the statement needs: headings, paragraphs, lists, tables."""

import re
import textwrap
from collections.abc import Iterable, Sequence

_WIDTH = 130


def heading(number: str, text: str) -> str:
    """A heading; its depth is that of its number: 1 is a chapter, 1.1 a section."""
    return f"{'#' * (number.count('.') + 2)} {number} {text}"


def paragraph(*sentences: str) -> str:
    """Sentences as one paragraph."""
    return _wrapped(" ".join(sentences))


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def bullets(items: Iterable[str]) -> str:
    """A list."""
    return "\n".join(_wrapped(f"* {item}", "  ") for item in items)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, one row a line."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def contents(chapters: Iterable[str]) -> str:
    """Links to the chapters among these blocks."""
    titles = [line.removeprefix("## ") for line in chapters if line.startswith("## ")]
    return "\n".join(f"* [{title}](#{_anchor(title)})" for title in titles)


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
