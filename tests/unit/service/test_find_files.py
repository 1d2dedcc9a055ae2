from pathlib import Path

import pytest

from service.errors import InvalidParameter
from service.importing import find_files


def test_folders_are_searched_and_files_taken_as_they_are(tmp_path: Path) -> None:
    for name in ("b/2", "b/a/1", "c", "d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_files([tmp_path / "c", tmp_path / "b"])
    assert [str(f.relative_to(tmp_path)) for f in found] == ["c", "b/2", "b/a/1"]


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    with pytest.raises(InvalidParameter, match="nowhere"):
        find_files([tmp_path / "here", tmp_path / "nowhere"])


def test_empty_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="no file"):
        find_files([tmp_path])
