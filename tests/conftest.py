"""Fixtures for all tests: one embedded PostgreSQL a run, a fresh gallery a test."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from dicom_node.configure import configure_pydicom, configure_pynetdicom
from service.db.engine import make_engine
from service.db.migrate import upgrade
from service.postgres import Cluster
from service.settings import Settings
from tests.support.certificates import Certificates, make_certificates
from tests.support.databases import MIGRATED, administer, fresh_database, named
from tests.support.shared_gallery import SharedGallery, embed_shared


@pytest.fixture(autouse=True)
def _quiet_dicom() -> None:
    configure_pydicom()
    configure_pynetdicom()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's settings reaches a test."""
    for name in [name for name in os.environ if name.startswith("PRECUNEUS_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real labelled slices and interoperability files, where there is one."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real images lie outside the repository and are not here")
    return folder


@pytest.fixture(scope="session")
def shared_gallery(shared_data: Path) -> SharedGallery:
    """All real slices under the dev encoder, embedded once a run: give its tests ten minutes."""
    return embed_shared(shared_data)


@pytest.fixture(scope="session")
def dcmtk() -> None:
    """Skips where dcmtk's programs are not installed."""
    if shutil.which("dcmsend") is None:
        pytest.skip("dcmtk is not installed")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A hospital's, and a stranger's, made with openssl."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL with pgvector and a migrated template database, for the whole run."""
    cluster = Cluster(tmp_path_factory.mktemp("postgres"))
    with cluster.running() as url:
        administer(url, f"CREATE DATABASE {MIGRATED}")
        engine = create_engine(named(url, MIGRATED))
        upgrade(engine)
        engine.dispose()
        yield url
    cluster.remove()


@pytest.fixture
def database_url(cluster_url: str) -> Iterator[str]:
    """A migrated, empty database of the test's own."""
    with fresh_database(cluster_url) as url:
        yield url


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings of a gallery of the test's own, on the run's PostgreSQL."""
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        state_dir=tmp_path / "state",
        database={"url": database_url},  # type: ignore[arg-type]
    )


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """An engine on the test's own gallery."""
    made = make_engine(settings, None)
    yield made
    made.dispose()
