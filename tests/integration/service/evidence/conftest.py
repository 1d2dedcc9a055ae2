"""A calibrated gallery of labelled patients that tests only read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, create_engine

from dicom_node.files import ObjectStore
from service.calibration.calibrate import Known, calibrate
from service.calibration.figures import Calibration
from service.calibration.store import save
from service.decoding import DecodePool
from service.encoders.registry import ActiveEncoder, register
from tests.integration.service.api.conftest import resources_of
from tests.support.commands import Shell, shell_on
from tests.support.databases import fresh_database
from tests.support.encoders import made_encoder
from tests.support.evidence import labelled_gallery
from tests.support.galleries import MadeInstance
from tests.support.serving import serving


@dataclass(frozen=True, repr=False)
class Calibrated:
    """A gallery of three diseases and what its calibration found."""

    engine: Engine
    encoder: ActiveEncoder
    instances: list[MadeInstance]
    calibration: Calibration


def calibrated(engine: Engine, encoder: ActiveEncoder, known: Known | None = None) -> Calibration:
    """Calibrate and keep it."""
    with engine.begin() as connection:
        found = calibrate(connection, encoder, known or Known())
        save(connection, encoder, found)
    return found


@pytest.fixture(scope="module")
def gallery(cluster_url: str) -> Iterator[Calibrated]:
    """Sixty patients of three slices each, all labelled by reports."""
    with fresh_database(cluster_url) as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            encoder = register(connection, made_encoder())
        instances = labelled_gallery(engine, encoder)
        yield Calibrated(engine, encoder, instances, calibrated(engine, encoder))
        engine.dispose()


@pytest.fixture
def shell(database_url: str, tmp_path: Path, checkpoint_file: Path) -> Shell:
    """A shell on the test's own gallery."""
    return shell_on(database_url, tmp_path / "shell", checkpoint_file)


@pytest.fixture
def client(engine: Engine, store: ObjectStore, decode_pool: DecodePool) -> Iterator[httpx.Client]:
    """A client of the API on the test's own gallery."""
    with serving(resources_of(engine, store, decode_pool)) as made:
        yield made
