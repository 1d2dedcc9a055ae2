from pathlib import Path

import pytest

from model.checkpoint import checkpoint_named
from service.calibration.brought import read_brought, told_of

OF_ANOTHER = (
    "; 15 bins. This encoder was trained by the same recipe on those patients, too, and has no "
    "others here to be measured on."
)


@pytest.mark.parametrize("name", ["default", "dev"])
def test_encoders_that_ship_bring_figures_of_evidence(name: str, tmp_path: Path) -> None:
    """Whoever replaces one runs `precuneus model check-evidence --write` for it."""
    encoder = checkpoint_named("default" if name == "default" else "dev").stem
    brought = read_brought(encoder, tmp_path)
    assert brought is not None
    assert brought.evidence.origin == "encoder"
    assert brought.evidence.ece <= 0.05
    assert brought.evidence.patients >= 100
    assert 0 < brought.threshold < 1
    measured = checkpoint_named("dev").stem
    assert f" {measured} was not trained on" in brought.evidence.protocol
    assert brought.evidence.protocol.endswith(OF_ANOTHER) == (encoder != measured)


@pytest.mark.parametrize(
    ("file", "of_another"),
    [
        ("msnet-0123456789ab.evidence.json", False),
        ("msnet-ba9876543210.evidence.json", True),
        ("figures.json", False),
    ],
)
def test_a_file_named_after_another_encoder_than_was_measured_says_so(
    file: str, of_another: bool, tmp_path: Path
) -> None:
    told = told_of(tmp_path / file, "msnet-0123456789ab", "The weights were fitted; 15 bins.")

    assert told.endswith(OF_ANOTHER) == of_another
    assert told.startswith("The weights were fitted; 15 bins.")
