"""Three embedded slices that tests say things of."""

import numpy as np
import pytest
from sqlalchemy import Engine

from service.encoders.registry import ActiveEncoder
from tests.support.encoders import DIMENSION, unit
from tests.support.galleries import MadeInstance, fill


@pytest.fixture
def made() -> list[MadeInstance]:
    """Two slices of one patient's study and one of another's, embedded without labels."""
    coordinates = unit(np.random.default_rng(1).normal(size=(3, 1, DIMENSION)))
    return [
        MadeInstance("1.1", patient=1, coordinates=coordinates[0]),
        MadeInstance("1.2", patient=1, coordinates=coordinates[1]),
        MadeInstance("2.1", patient=2, coordinates=coordinates[2]),
    ]


@pytest.fixture
def ids(engine: Engine, encoder: ActiveEncoder, made: list[MadeInstance]) -> dict[str, int]:
    """The slices' numbers in the gallery."""
    return fill(engine, made, encoder)
