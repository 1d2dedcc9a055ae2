"""Slices are read ahead, in order, and reading may end at any of them."""

from pathlib import Path

import numpy as np
import pytest

from service.errors import InvalidParameter
from service.settings import WorkerSettings
from service.slices import slice_decoder
from tests.support.objects import ct_dataset, write_file

SETTINGS = WorkerSettings(decode_processes=2, decode_timeout_s=60)
COUNT = 24


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """CT slices large enough that an answer does not fit into a pipe at once."""
    folder = tmp_path_factory.mktemp("slices")
    pixels = [np.full((512, 512), number, np.int16) for number in range(COUNT)]
    return [
        write_file(folder / f"{number}.dcm", ct_dataset(pixels=values))
        for number, values in enumerate(pixels)
    ]


def test_slices_come_in_order_as_modality_values(paths: list[Path]) -> None:
    with slice_decoder(SETTINGS, paths) as decode:
        found = [decode(path) for path in paths]

    values = [float(decoded.pixels[0, 0]) for decoded in found if decoded is not None]
    assert values == [n - 1024 for n in range(COUNT)]


@pytest.mark.parametrize("wanted", [0, 1, 5])
def test_reading_may_end_while_answers_are_on_their_way(paths: list[Path], wanted: int) -> None:
    with slice_decoder(SETTINGS, paths) as decode:
        for path in paths[:wanted]:
            decode(path)


def test_a_few_files_that_are_no_images_are_named_and_more_are_too_many(
    paths: list[Path], tmp_path: Path
) -> None:
    broken = [tmp_path / f"notes-{number}.txt" for number in range(6)]
    for path in broken:
        path.write_text("no DICOM file")

    with slice_decoder(SETTINGS, [*broken[:5], paths[0], broken[5]]) as decode:
        assert [decode(path) for path in broken[:5]] == [None] * 5
        assert decode(paths[0]) is not None
        assert decode.unreadable == broken[:5]
        with pytest.raises(InvalidParameter, match=r"notes-0\.txt.*notes-5\.txt"):
            decode(broken[5])


def test_another_order_than_the_one_told_is_a_mistake(paths: list[Path]) -> None:
    with (
        slice_decoder(SETTINGS, paths[:2]) as decode,
        pytest.raises(ValueError, match=r"0\.dcm is next"),
    ):
        decode(paths[1])
