"""Fixtures of the end-to-end tests: drawn studies, and services in folders of their own."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.demo.studies import StudySet, write_studies
from tests.support.encoders import tiny_checkpoint
from tests.support.orthanc import find_orthanc
from tests.support.service import Service

PATIENTS, SLICES = 12, 4


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> StudySet:
    """Studies of 12 drawn patients with 4 slices each, on CT and MR, in three transfer syntaxes."""
    folder = tmp_path_factory.mktemp("drawn")
    return write_studies(folder, patients=PATIENTS, slices_per_patient=SLICES)


@pytest.fixture(scope="session")
def fast_encoder(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The setting for a small, untrained encoder, where the gallery's quality is not the point."""
    checkpoint = tiny_checkpoint(tmp_path_factory.mktemp("encoder"))
    return {"PRECUNEUS_ENCODER__CHECKPOINT": str(checkpoint)}


@pytest.fixture
def make_service(tmp_path: Path, fast_encoder: dict[str, str]) -> Iterator[Callable[..., Service]]:
    """Makes services with a fast encoder, not started yet; settings are environment variables."""
    made: list[Service] = []

    def make(**settings: str) -> Service:
        folder = tmp_path / f"service-{len(made)}"
        folder.mkdir()
        made.append(Service(folder, **{**fast_encoder, **settings}))
        return made[-1]

    yield make
    for service in made:
        service.close()


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A folder through which every account may pass, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="precuneus-test-")).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def root() -> None:
    """Skips what only root can bring about."""
    if os.geteuid() != 0:
        pytest.skip("only root can bring this about")


@pytest.fixture(scope="session")
def orthanc_program() -> str:
    """Orthanc's program, without which its tests are skipped."""
    found = find_orthanc()
    if found is None:
        pytest.skip("Orthanc is not installed")
    return found
