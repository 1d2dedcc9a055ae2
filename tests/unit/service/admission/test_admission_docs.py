"""What the operations guide shows is rules, and does what it says."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from service.admission.parsing import parse_rules
from service.admission.rules import AdmissionRules, ObjectFacts

GUIDE = Path(__file__).parents[4] / "docs" / "operations.md"
HEAD = ObjectFacts("CT", "HEAD", ("ORIGINAL", "PRIMARY"), "1.2.840.10008.5.1.4.1.1.2", "CT1")


@pytest.fixture(scope="module")
def example() -> AdmissionRules:
    """The neuro archive's file, as the guide prints it."""
    block = re.search(r"(?:^ {4}.*\n)+?^ {4}otherwise .*\n", GUIDE.read_text(), re.MULTILINE)
    assert block is not None
    return parse_rules(block[0][block[0].index("#") :])


@pytest.mark.parametrize(
    ("facts", "action"),
    [
        (HEAD, "admit"),
        (replace(HEAD, body_part=None), "admit"),
        (replace(HEAD, body_part="CHEST"), "store"),
        (replace(HEAD, modality="SR"), "drop"),
        (replace(HEAD, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")), "store"),
        (replace(HEAD, image_type=("DERIVED", "SECONDARY", "MPR")), "store"),
        (replace(HEAD, image_type=("ORIGINAL", "PRIMARY", "MPR")), "admit"),
        (replace(HEAD, sop_class_uid="1.2.840.10008.5.1.4.1.1.7"), "store"),
        (replace(HEAD, calling_ae_title="CARDIO_WS"), "drop"),
    ],
)
def test_the_example_of_a_neuro_archive(
    example: AdmissionRules, facts: ObjectFacts, action: str
) -> None:
    assert example.decide(facts).action == action


def test_every_line_of_rules_in_the_guide_is_rules() -> None:
    lines = re.findall(r"`([^`\n]*; otherwise \w+)`", GUIDE.read_text())
    assert lines
    for line in lines:
        assert parse_rules(line).rules
