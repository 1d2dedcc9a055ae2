"""A primary and its standby, and a gallery that both know."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from service.encoders.registry import ActiveEncoder, register
from tests.support.encoders import made_encoder
from tests.support.galleries import MadeInstance, clustered_instances, fill
from tests.support.standbys import Pair, replicating


@pytest.fixture(scope="session")
def slices() -> list[MadeInstance]:
    """What the gallery holds."""
    return clustered_instances(patients=12, slices_each=5)


@pytest.fixture(scope="package")
def folder() -> Iterator[Path]:
    """A folder through which every account may pass."""
    made = Path(tempfile.mkdtemp(prefix="precuneus-test-")).resolve()
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="package")
def pair(folder: Path) -> Iterator[Pair]:
    with replicating(folder) as pair:
        yield pair


@pytest.fixture
def encoder(pair: Pair, slices: list[MadeInstance]) -> Iterator[ActiveEncoder]:
    """A filled gallery; it is empty again in the end."""
    with pair.primary.begin() as connection:
        active = register(connection, made_encoder())
    fill(pair.primary, slices, active)
    pair.caught_up()
    yield active
    emptied(pair, active)


def emptied(pair: Pair, encoder: ActiveEncoder) -> None:
    """Leave the gallery without slices, without its encoder and open to any patient key."""
    with pair.primary.begin() as connection:
        connection.execute(text("TRUNCATE study, encoder CASCADE"))
        connection.execute(text("DELETE FROM installation WHERE name = 'patient_key_fingerprint'"))
        connection.execute(text(f"DROP TABLE IF EXISTS {encoder.partition}"))
