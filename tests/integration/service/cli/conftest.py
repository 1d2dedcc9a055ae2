"""A gallery made by commands alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.commands import Ended, Shell, shell_on
from tests.support.databases import EMPTY, fresh_database
from tests.support.objects import ct_dataset, write_file


@dataclass(frozen=True)
class Imported:
    """What the gallery's making said; `uids` are of slices of as many patients."""

    shell: Shell
    uids: list[str]
    upgraded: Ended
    imported: Ended
    labelled: Ended
    embedded: Ended


@pytest.fixture(scope="session")
def imported(
    cluster_url: str, checkpoint_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Imported]:
    """Six slices and a file that is none; migrated, imported, labelled and embedded."""
    folder = tmp_path_factory.mktemp("commands")
    datasets = [ct_dataset(seed=n, patient_id=f"ZQ-{n}") for n in range(6)]
    for number, dataset in enumerate(datasets):
        write_file(folder / "files" / f"{number}.dcm", dataset)
    (folder / "files" / "notes.txt").write_text("no DICOM file\n")
    uids = [str(dataset.SOPInstanceUID) for dataset in datasets]
    lines = [f"{uids[0]},glioma", f"{uids[1]},bleed", "1.2.3,bleed"]
    (folder / "labels.csv").write_text("\n".join(["sop_instance_uid,label", *lines]))
    with fresh_database(cluster_url, EMPTY) as url:
        shell = shell_on(url, folder, checkpoint_file)
        yield Imported(
            shell=shell,
            uids=uids,
            upgraded=shell.run("db", "upgrade"),
            imported=shell.run("gallery", "import", "files"),
            labelled=shell.run("gallery", "label", "labels.csv"),
            embedded=shell.run("worker", "run", "--once"),
        )


@pytest.fixture
def shell(database_url: str, tmp_path: Path, checkpoint_file: Path) -> Shell:
    """A shell on the test's own, empty gallery."""
    return shell_on(database_url, tmp_path / "shell", checkpoint_file)
