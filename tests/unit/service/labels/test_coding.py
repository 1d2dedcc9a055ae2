import pytest

from service.errors import InvalidParameter
from service.labels.coding import checked_code, has_check_digit
from service.labels.concepts import known_concept, known_concepts
from service.labels.provenance import source_of


def test_the_check_digit_is_verhoeffs() -> None:
    # The example of Verhoeff's own scheme, and identifiers of SNOMED CT's root and "Is a".
    assert has_check_digit("2363")
    assert has_check_digit("138875005")
    assert has_check_digit("116680003")


@pytest.mark.parametrize("number", ["138875005", "393564001", "274100004"])
def test_every_single_typo_and_every_swap_is_found(number: str) -> None:
    for place in range(len(number)):
        for digit in set("0123456789") - {number[place]}:
            assert not has_check_digit(number[:place] + digit + number[place + 1 :])
    for place in range(len(number) - 1):
        swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
        assert has_check_digit(swapped) == (swapped == number)


def test_codes_in_the_table_are_sound() -> None:
    for concept in known_concepts():
        assert checked_code(concept.scheme, concept.code) == (concept.scheme, concept.code)
        found = known_concept(concept.scheme, concept.code)
        assert found is not None
        assert found[1] == concept
    assert known_concept("SCT", "138875005") is None


@pytest.mark.parametrize(
    ("scheme", "code", "written"),
    [
        ("sct", "138875005", ("SCT", "138875005")),
        ("RadLex", "rid1234", ("RADLEX", "RID1234")),
        ("99ward", "Café 7", ("99WARD", "Café 7")),
    ],
)
def test_codes_of_each_scheme(scheme: str, code: str, written: tuple[str, str]) -> None:
    assert checked_code(scheme, code) == written


@pytest.mark.parametrize(
    ("scheme", "code", "fault"),
    [
        ("SCT", "138875006", "check digit"),
        ("SCT", "680946014", "a description, not a concept"),
        ("SCT", "012345678", "6 to 18 digits"),
        ("SCT", "１38875005", "6 to 18 digits"),
        ("SCT", "1" * 19, "6 to 18 digits"),
        ("RADLEX", "RID", "RID and digits"),
        ("RADLEX", "RID0", "RID and digits"),
        ("LOCAL", "7", "begins with 99"),
        ("99", "7", "begins with 99"),
        ("99" + "x" * 20, "7", "begins with 99"),
        ("99WARD", "7" * 65, "at most 64"),
    ],
)
def test_what_can_be_no_code_is_refused(scheme: str, code: str, fault: str) -> None:
    with pytest.raises(InvalidParameter, match=fault):
        checked_code(scheme, code)


@pytest.mark.parametrize(
    ("said", "source"),
    [
        ("", ("import", None)),
        ("import", ("import", None)),
        ("Pathology", ("pathology", None)),
        ("histology", ("pathology", "histology")),
        ("AI", ("prediction", "AI")),
        (" tumour board ", ("import", "tumour board")),
    ],
)
def test_what_a_source_is(said: str, source: tuple[str, str | None]) -> None:
    assert source_of(said) == source
