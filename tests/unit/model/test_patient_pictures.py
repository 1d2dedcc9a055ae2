"""Pictures of patients stay out of repositories and are for their owner alone."""

import os
from pathlib import Path

import pytest

from model.errors import EvaluationError
from model.patient_pictures import refuse_repository, write_picture


@pytest.fixture
def _generous() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


def test_they_do_not_go_into_a_repository(tmp_path: Path) -> None:
    refuse_repository(tmp_path)
    (tmp_path / ".git").mkdir()
    for folder in (tmp_path, tmp_path / "deep" / "down"):
        with pytest.raises(EvaluationError, match="pictures that show slices of patients"):
            refuse_repository(folder)


@pytest.mark.usefixtures("_generous")
def test_only_their_owner_may_read_them(tmp_path: Path) -> None:
    old = tmp_path / "old.png"
    old.write_bytes(b"before")
    for path in (tmp_path / "new.png", old):
        write_picture(path, b"picture")
        assert path.read_bytes() == b"picture"
        assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.png", "old.png"]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    taken = tmp_path / "taken.png"
    (taken / "by a folder").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        write_picture(taken, b"picture")
    assert list(tmp_path.iterdir()) == [taken]
