"""Folds are written one way in all commands."""

import pytest

from service.errors import InvalidParameter
from service.fold_lists import read_folds


@pytest.mark.parametrize(
    ("text", "folds"),
    [
        (None, None),
        ("4", (4,)),
        ("3, 1,2,3", (1, 2, 3)),
        ("none", ()),
        (" None ", ()),
    ],
)
def test_lists_of_folds(text: str | None, folds: tuple[int, ...] | None) -> None:
    assert read_folds(text) == folds


@pytest.mark.parametrize("text", ["", "two", "1,", "1;2", "1.5", "1,none"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="folds are numbers"):
        read_folds(text)
