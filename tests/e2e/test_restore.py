"""A gallery whose database is older than its files, or whose files are gone, is made whole."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from dicom_node.scu import send
from service.postgres.configuration import DATABASE
from tests.support.databases import administer, named
from tests.support.encoders import tiny_checkpoint
from tests.support.service import AE_TITLE, Service
from tests.support.slices import small_cts

_KEPT, _LOST = 60, 200
_BACKUP = "gallery_backup"


@dataclass(frozen=True)
class Restored:
    """What `db recover` said after the restore, and the service that then started again."""

    service: Service
    files: dict[str, Path]
    before: dict[str, tuple[str, str | None]]
    report: dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("restore")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    """A service with a small encoder, for here only rows and files matter."""
    checkpoint = tiny_checkpoint(folder)
    made = Service(folder, PRECUNEUS_ENCODER__CHECKPOINT=str(checkpoint))
    yield made
    made.close()


@pytest.fixture(scope="module")
def restored(service: Service, folder: Path) -> Restored:
    """Objects arrive, the database is saved, more arrive; then the saved database is put back."""
    service.start()
    files = push(service, small_cts(folder / "kept", _KEPT))
    service.await_settled()
    assert service.stop() == 0
    with service.database.running() as url:
        administer(named(url, "postgres"), f"CREATE DATABASE {_BACKUP} TEMPLATE {DATABASE}")

    service.start()
    files |= push(service, small_cts(folder / "lost", _LOST, first=_KEPT))
    assert service.stop() == 0
    with service.database.running() as url:
        administer(named(url, "postgres"), f"DROP DATABASE {DATABASE}")
        administer(named(url, "postgres"), f"ALTER DATABASE {_BACKUP} RENAME TO {DATABASE}")
    before = service.states()

    report = json.loads(service.run("db", "recover", "--json").stdout)
    service.start().await_settled()
    return Restored(service, files, before, report)


def push(service: Service, files: list[Path]) -> dict[str, Path]:
    """Send files, all of which must be acknowledged; the files by SOP Instance UID."""
    results = list(send(files, "127.0.0.1", service.dicom_port, AE_TITLE))
    assert [result.status for result in results] == [0] * len(files)
    return {str(result.sop_instance_uid): result.path for result in results}


def test_recover_brings_back_all_that_the_restored_database_did_not_know(
    restored: Restored,
) -> None:
    assert len(restored.before) == _KEPT
    counted = {name: count for name, count in restored.report.items() if count}
    assert counted == {"registered": _LOST}


def test_each_object_is_embedded_exactly_once(restored: Restored) -> None:
    assert len(restored.files) == _KEPT + _LOST
    assert restored.service.states() == dict.fromkeys(restored.files, ("embedded", None))
    counted = restored.service.rows(
        "SELECT sop_instance_uid, count(coordinates) FROM instance "
        "LEFT JOIN embedding USING (instance_id) GROUP BY sop_instance_uid"
    )
    assert dict(counted) == dict.fromkeys(restored.files, 1)
    assert restored.service.stats()["encoder"] is not None


def test_what_came_back_is_of_the_same_patient_and_is_found(restored: Restored) -> None:
    keys = restored.service.rows(
        "SELECT count(DISTINCT patient_key), count(DISTINCT study_instance_uid) "
        "FROM instance JOIN series USING (series_id) JOIN study USING (study_id)"
    )
    # small_cts makes ten slices of each patient, in one study.
    assert keys == [((_KEPT + _LOST) // 10, (_KEPT + _LOST) // 10)]
    came_back = next(uid for uid in restored.files if uid not in restored.before)
    answer = restored.service.http.get(f"/v1/instances/{came_back}/similar")
    assert len(answer.raise_for_status().json()["neighbours"]) == 5


def test_another_recovery_finds_nothing_to_do(restored: Restored) -> None:
    objects = restored.service.objects()
    assert len(objects) == _KEPT + _LOST
    report = json.loads(restored.service.run("db", "recover", "--json").stdout)
    assert set(report.values()) == {0}
    assert restored.service.objects() == objects


def test_a_row_without_a_file_is_counted_and_healed_by_sending_the_object_again(
    restored: Restored,
) -> None:
    service, uid = restored.service, next(iter(restored.files))
    assert preview(service, uid).status_code == httpx.codes.OK
    stored = stored_file(service, uid)
    content = stored.read_bytes()
    stored.unlink()

    counted = service.run("db", "recover", "--json", check=False)
    assert counted.returncode == 1
    assert {n: c for n, c in json.loads(counted.stdout).items() if c} == {"missing_files": 1}
    assert preview(service, uid).is_client_error

    push(service, [restored.files[uid]])

    assert stored_file(service, uid).read_bytes() == content
    assert json.loads(service.run("db", "recover", "--json").stdout)["missing_files"] == 0
    assert preview(service, uid).status_code == httpx.codes.OK
    service.await_settled()
    assert service.states() == dict.fromkeys(restored.files, ("embedded", None))


def preview(service: Service, uid: str) -> httpx.Response:
    return service.http.get(f"/v1/instances/{uid}/preview")


def stored_file(service: Service, uid: str) -> Path:
    """Where the object's row says that its file is."""
    statement = "SELECT file_name FROM instance WHERE sop_instance_uid = %s"
    ((name,),) = service.rows(statement, uid)
    return service.state_dir / "objects" / str(name)
