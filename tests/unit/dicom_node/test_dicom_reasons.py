import pytest

from dicom_node.reasons import scrubbed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "invalid literal for int() with base 10: 'Doe^John'",
            "invalid literal for int() with base 10: ...",
        ),
        ('could not convert string to float: "O\'Doe"', "could not convert string to float: ..."),
        ("could not convert b'Doe'", "could not convert ..."),
        (
            "The dataset's syntax 'Doe' doesn't match 'Roe'",
            "The dataset's syntax ... doesn't match ...",
        ),
        ("two\nlines\x1b[1m", "two lines[1m"),
        ("", "ValueError"),
        ("x" * 500, "x" * 200),
    ],
)
def test_a_reason_quotes_no_value(text: str, told: str) -> None:
    assert scrubbed(ValueError(text)) == told
