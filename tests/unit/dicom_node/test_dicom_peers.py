import pytest

from dicom_node.peers import clean_ae_title


@pytest.mark.parametrize(
    ("title", "cleaned"),
    [
        ("SCANNER1", "SCANNER1"),
        ("  SCANNER 1  ", "SCANNER 1"),
        (b"SCANNER\x1b[31m", "SCANNER?[31m"),
        ("A\nB\r\tC", "A?B??C"),
        ("Käse", "K?se"),
        ("X" * 40, "X" * 16),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_title_is_fit_for_a_log_line(title: str | bytes | None, cleaned: str) -> None:
    assert clean_ae_title(title) == cleaned
