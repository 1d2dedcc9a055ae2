from pathlib import Path

import pytest

from model.checkpoint import checkpoint_named
from service.calibration.brought import read_brought


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
    assert checkpoint_named("dev").stem in brought.evidence.protocol
