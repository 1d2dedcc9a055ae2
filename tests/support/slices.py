"""Many small CT files of made-up patients, to be pushed."""

from pathlib import Path

from pydicom.uid import generate_uid

from tests.support.objects import ct_dataset, write_file

_SLICES_PER_STUDY = 10


def small_cts(folder: Path, count: int, *, first: int = 0) -> list[Path]:
    """`count` different CT slices of 64 x 64, ten to a study, each study of a patient of its own.

    `first` numbers them, so that two calls make different ones.
    """
    study = series = ""
    files: list[Path] = []
    for number in range(first, first + count):
        if not files or number % _SLICES_PER_STUDY == 0:
            study, series = generate_uid(), generate_uid()
        dataset = ct_dataset(
            patient_id=f"SMALL-{study[-12:]}",
            study_instance_uid=study,
            series_instance_uid=series,
            seed=number,
        )
        files.append(write_file(folder / f"{number:04d}.dcm", dataset))
    return files
