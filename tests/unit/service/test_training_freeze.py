"""The gallery's slices as a run began with them."""

from pathlib import Path

import pytest

from model.manifest import ManifestRow
from service.errors import InvalidParameter
from service.training_freeze import FROZEN_FILE, Asked, GalleryList, freeze, thaw
from service.training_set import GallerySlices

BOARD = Asked(("board",))
ROW = ManifestRow(Path("/store/1.dcm"), "1.1", "1.2", "0f" * 16, "MR", "glioma", 3)
LIST = GalleryList(BOARD, GallerySlices((ROW,), {"board": 1}, {"several labels": 2}))


def begun(folder: Path) -> Path:
    """A folder whose run has been for an epoch."""
    freeze(folder, LIST)
    (folder / "resume.pt").write_bytes(b"")
    return folder


def test_a_run_goes_on_with_the_slices_that_it_began_with(tmp_path: Path) -> None:
    assert thaw(begun(tmp_path / "run"), BOARD) == LIST


def test_the_order_of_sources_is_none(tmp_path: Path) -> None:
    two = GalleryList(Asked(("board", "report")), LIST.slices)
    freeze(tmp_path, two)
    (tmp_path / "resume.pt").write_bytes(b"")

    assert thaw(tmp_path, Asked(("report", "board"))) == two


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    freeze(tmp_path, LIST)

    assert (tmp_path / FROZEN_FILE).stat().st_mode & 0o777 == 0o600


def test_a_run_that_did_not_get_as_far_as_an_epoch_begins_anew(tmp_path: Path) -> None:
    freeze(tmp_path, LIST)

    assert thaw(tmp_path, BOARD) is None


def test_what_a_run_began_with_is_not_written_over(tmp_path: Path) -> None:
    freeze(begun(tmp_path), GalleryList(BOARD, GallerySlices((), {}, {})))

    assert thaw(tmp_path, BOARD) == LIST


@pytest.mark.parametrize("asked", [Asked(), Asked(("report",)), Asked(("board",), True)])
def test_other_labels_are_another_run(tmp_path: Path, asked: Asked) -> None:
    with pytest.raises(InvalidParameter, match="began with --label-source board;"):
        thaw(begun(tmp_path), asked)


def test_a_damaged_list_is_refused(tmp_path: Path) -> None:
    (begun(tmp_path) / FROZEN_FILE).write_text("{}")

    with pytest.raises(InvalidParameter, match=r"gallery\.json cannot be read"):
        thaw(tmp_path, BOARD)
