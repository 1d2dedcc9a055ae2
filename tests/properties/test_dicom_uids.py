import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.errors import CannotUnderstand
from dicom_node.uids import checked_uid, has_leading_zeros, is_uid

COMPONENTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=8)
ALMOST = st.text("0123456789.. \0x/\\-٣", max_size=70)


@given(COMPONENTS)
def test_numbers_joined_by_dots_are_a_uid_up_to_64_characters(numbers: list[int]) -> None:
    uid = ".".join(map(str, numbers))
    assert is_uid(uid) == (len(uid) <= 64)
    assert not has_leading_zeros(uid)


@given(COMPONENTS, st.data())
def test_a_leading_zero_is_accepted_and_noticed(numbers: list[int], data: st.DataObject) -> None:
    components = [str(number) for number in numbers]
    position = data.draw(st.integers(0, len(components) - 1))
    components[position] = "0" + components[position]
    uid = ".".join(components)
    assert has_leading_zeros(uid)
    assert is_uid(uid) == (len(uid) <= 64)


@given(ALMOST)
def test_what_is_let_pass_is_digits_and_dots_and_safe_to_show(text: str) -> None:
    try:
        uid = checked_uid(text, "SOP Instance UID")
    except CannotUnderstand as error:
        shown = str(error)
        assert shown.startswith("SOP Instance UID is ")
        assert text.strip(" \0") == "" or "is not a UID" in shown
        return
    assert uid == text.strip(" \0")
    assert len(uid) <= 64
    assert all(re.fullmatch("[0-9]+", component) for component in uid.split("."))


@pytest.mark.parametrize("text", [None, "", " ", "\0\0"])
def test_nothing_is_missing(text: str | None) -> None:
    with pytest.raises(CannotUnderstand, match="missing"):
        checked_uid(text, "SOP Class UID")
