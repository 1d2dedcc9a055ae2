"""Fixtures of the service's integration tests: what a gallery needs beyond its database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from dicom_node.files import ObjectStore
from dicom_node.receive import Receiver
from service.decoding import DecodePool
from service.encoders.registry import ActiveEncoder, register
from service.opening import object_store, receiver
from service.settings import Settings
from tests.support.encoders import made_encoder, tiny_checkpoint


@pytest.fixture
def take(settings: Settings, engine: Engine) -> Receiver:
    """What stores and registers objects in the test's gallery."""
    return receiver(settings, engine)


@pytest.fixture
def store(settings: Settings) -> ObjectStore:
    """The test's folder of objects."""
    return object_store(settings)


@pytest.fixture
def encoder(engine: Engine) -> ActiveEncoder:
    """A made-up encoder, active in the test's gallery."""
    with engine.begin() as connection:
        return register(connection, made_encoder())


@pytest.fixture(scope="session")
def decode_pool() -> Iterator[DecodePool]:
    """One decoding process for all tests that show pictures."""
    pool = DecodePool(1, timeout_s=60, memory_mb=4096)
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def checkpoint_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a network small enough for tests."""
    return tiny_checkpoint(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def other_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of another small network, of 33 coordinates, that takes pictures of another size."""
    folder = tmp_path_factory.mktemp("other")
    return tiny_checkpoint(folder, seed=2, widths=(8, 8, 16), size=24)
