"""A gallery with codes, small enough to know all of it."""

import pytest
from sqlalchemy import Engine

from service.encoders.registry import ActiveEncoder
from service.hashing.filling import make_codes
from service.settings import Settings
from tests.support.galleries import clustered_instances, fill

MADE = clustered_instances(12, 6)


@pytest.fixture
def coded(engine: Engine, encoder: ActiveEncoder, settings: Settings) -> ActiveEncoder:
    """A gallery with codes of 64 bits."""
    fill(engine, MADE, encoder)
    state = make_codes(engine, settings, 64)
    assert (state.bits, state.codes, state.slices) == (64, len(MADE), len(MADE))
    assert state.is_ready
    assert state.origin == "fitted to the gallery"
    return encoder
