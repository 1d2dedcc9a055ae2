"""Disk full or database away: the sender hears 0xA700, and succeeds when it tries again."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from dicom_node.files import ObjectStore
from service.postgres import Cluster
from tests.support.objects import ct_dataset, write_file
from tests.support.peers import SUCCESS, Push, dcmsend
from tests.support.service import Service

OUT_OF_RESOURCES = 0xA700
FILES, SIDE = 24, 512
SMALL, LARGE = "8m", "64m"
CHILDREN = ("node", "worker", "api")

pytestmark = pytest.mark.usefixtures("dcmtk")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Slices of half a megabyte each, by SOP Instance UID: more than the small disk takes."""
    made = {}
    for number in range(FILES):
        pixels = np.random.default_rng(number).integers(0, 2000, (SIDE, SIDE)).astype(np.int16)
        dataset = ct_dataset(patient_id=f"FULL-{number}", pixels=pixels)
        path = write_file(tmp_path / "files" / f"{number}.dcm", dataset)
        made[str(dataset.SOPInstanceUID)] = path
    return made


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def on_a_small_disk(root: None, make_service: Callable[..., Service]) -> Iterator[Service]:
    """A service whose objects lie on a file system of 8 MB."""
    # Here the disk itself is to be full.
    service = make_service(PRECUNEUS_DICOM__FREE_SPACE_MB="0")
    objects = service.state_dir / "objects"
    objects.mkdir(parents=True)
    service.state_dir.chmod(0o711)
    mount("-t", "tmpfs", "-o", f"size={SMALL},mode=700", "tmpfs", str(objects))
    try:
        yield service.start()
        service.stop()
    finally:
        subprocess.run(["umount", "--lazy", str(objects)], check=True)


def by_status(push: Push) -> dict[int | None, set[str]]:
    """SOP Instance UIDs by what was answered."""
    return {
        status: {sent.sop_instance_uid for sent in push.sent if sent.status == status}
        for status in push.statuses
    }


def assert_only_whole_files(service: Service, uids: set[str]) -> None:
    """The rows are those of `uids`, the files are those of the rows, and all of them are whole."""
    rows = service.rows("SELECT sop_instance_uid, file_name, file_size, sha256 FROM instance")
    assert {uid for uid, *_ in rows} == uids
    store = ObjectStore(service.state_dir)
    assert sorted(store.names()) == sorted(name for _, name, _, _ in rows)
    assert service.objects(".part") == []
    for _, name, size, sha256 in rows:
        described, _ = store.describe(name)
        assert (described.size, described.sha256) == (size, bytes(sha256))


def test_a_full_disk_is_told_and_room_heals_it(
    on_a_small_disk: Service, files: dict[str, Path], tmp_path: Path
) -> None:
    service = on_a_small_disk
    push = dcmsend(service.dicom_port, *files.values(), report=tmp_path / "report")
    told = by_status(push)
    assert told.keys() == {SUCCESS, OUT_OF_RESOURCES}
    assert len(told[SUCCESS]) + len(told[OUT_OF_RESOURCES]) == FILES
    assert_only_whole_files(service, told[SUCCESS])
    refusals = service.records("store.refused")
    assert {refusal["sop_instance_uid"] for refusal in refusals} == told[OUT_OF_RESOURCES]
    assert {refusal["reason"].split(": ")[1] for refusal in refusals} == {"No space left on device"}
    service.await_settled()
    assert service.states() == dict.fromkeys(told[SUCCESS], ("embedded", None))

    mount("-o", f"remount,size={LARGE}", str(service.state_dir / "objects"))
    again = dcmsend(service.dicom_port, *files.values(), report=tmp_path / "report")

    assert by_status(again) == {SUCCESS: set(files)}
    service.await_settled()
    assert service.states() == dict.fromkeys(files, ("embedded", None))
    assert_only_whole_files(service, set(files))
    assert service.records("child_ended") == []


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Cluster]:
    """A PostgreSQL of the hospital's own, which nobody but the test starts and stops."""
    cluster = Cluster(tmp_path / "hospital")
    with cluster.running():
        yield cluster
    cluster.remove()


@pytest.fixture
def beside_the_hospitals(hospital: Cluster, make_service: Callable[..., Service]) -> Service:
    """A service that uses the hospital's PostgreSQL."""
    service = make_service(PRECUNEUS_DATABASE__URL=hospital.url())
    service.database = hospital
    service.run("db", "upgrade")
    return service.start()


def test_a_database_that_is_away_is_told_and_its_return_heals_it(
    beside_the_hospitals: Service, hospital: Cluster, files: dict[str, Path], tmp_path: Path
) -> None:
    service = beside_the_hospitals
    before = {name: service.child(name) for name in CHILDREN}
    first = next(iter(files))
    push = dcmsend(service.dicom_port, files[first], report=tmp_path / "report")
    assert by_status(push) == {SUCCESS: {first}}
    service.await_settled()
    stored = service.objects()

    hospital.stop()
    refused = dcmsend(service.dicom_port, *files.values(), report=tmp_path / "report")
    assert by_status(refused) == {OUT_OF_RESOURCES: set(files)}
    assert service.objects() == stored
    assert service.objects(".part") == []
    for route in ("", "/similar", "/embedding", "/preview"):
        answer = service.http.get(f"/v1/instances/{first}{route}")
        assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert answer.headers["content-type"] == "application/problem+json"
    assert service.http.get("/readyz").status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert service.http.get("/metrics").status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert service.http.get("/livez").status_code == httpx.codes.OK

    hospital.ensure_running()
    again = dcmsend(service.dicom_port, *files.values(), report=tmp_path / "report")
    assert by_status(again) == {SUCCESS: set(files)}
    service.await_settled()
    assert service.states() == dict.fromkeys(files, ("embedded", None))
    assert_only_whole_files(service, set(files))
    assert service.http.get(f"/v1/instances/{first}/similar").status_code == httpx.codes.OK
    assert {name: service.child(name) for name in CHILDREN} == before
