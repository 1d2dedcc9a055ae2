"""Orthanc, a PACS that people run, asks for storage commitment, and has its past fetched."""

import json
from collections.abc import Iterator

import httpx
import pydicom
import pytest

from service.demo.studies import StudySet
from tests.support.objects import write_file
from tests.support.orthanc import MODALITY, running_orthanc
from tests.support.rejections import key_object_selection
from tests.support.service import Service, running_service
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def service(
    orthanc_program: str, tmp_path_factory: pytest.TempPathFactory, fast_encoder: dict[str, str]
) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service"), **fast_encoder) as running:
        yield running


@pytest.fixture(scope="module")
def orthanc(
    orthanc_program: str,
    service: Service,
    drawn: StudySet,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx.Client]:
    """An archive with four files, known to the service as `pacs`."""
    folder = tmp_path_factory.mktemp("orthanc")
    with running_orthanc(orthanc_program, folder, service.dicom_port) as client:
        for file in drawn.files[:4]:
            client.post("/instances", content=file.read_bytes()).raise_for_status()
        port = client.get("/system").json()["DicomPort"]
        address = ("--ae-title", "ORTHANC", "--host", "127.0.0.1", "--port", port)
        service.run("node", "peers", "add", "pacs", *address)
        yield client


def uids_of(drawn: StudySet) -> dict[str, str]:
    """SOP Class UID by SOP Instance UID of what Orthanc has."""
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in drawn.files[:4]]
    return {str(header.SOPInstanceUID): str(header.SOPClassUID) for header in headers}


def test_it_answers_our_echo(orthanc: httpx.Client, service: Service) -> None:
    assert service.run("node", "peers", "echo", "pacs").stdout == "pacs answers.\n"


def test_its_past_is_fetched_by_move_through_the_running_node(
    orthanc: httpx.Client, service: Service, drawn: StudySet
) -> None:
    header = pydicom.dcmread(drawn.files[0], stop_before_pixels=True)
    since = ("--from", "pacs", "--study", header.StudyInstanceUID, "--json")
    report = json.loads(service.run("node", "pull", *since).stdout)
    assert (report["by"], report["failures"]) == ("move", [])
    assert report["received"] > 0
    service.await_settled()
    account = json.loads(service.run("node", "reconcile", *since).stdout)
    assert account["totals"]["searchable"] == report["received"]
    assert account["totals"]["missing"] == 0


def test_it_is_told_what_is_stored(
    orthanc: httpx.Client, service: Service, drawn: StudySet
) -> None:
    instances = orthanc.get("/instances").json()
    orthanc.post(f"/modalities/{MODALITY}/store", json=instances).raise_for_status()
    wanted = [
        {"SOPClassUID": sop_class, "SOPInstanceUID": uid}
        for uid, sop_class in uids_of(drawn).items()
    ]
    assert asked(orthanc, wanted)["Status"] == "Success"
    unknown = [{"SOPClassUID": wanted[0]["SOPClassUID"], "SOPInstanceUID": "1.2.3.4.5"}]
    answer = asked(orthanc, wanted + unknown)
    assert answer["Status"] == "Failure"
    assert len(answer["Success"]) == len(wanted)
    (failure,) = answer["Failures"]
    assert failure["SOPInstanceUID"] == "1.2.3.4.5"
    assert failure["FailureReason"] == 0x0112


def asked(orthanc: httpx.Client, instances: list[dict[str, str]]) -> dict[str, object]:
    """What Orthanc knows once it has been told."""
    path = f"/modalities/{MODALITY}/storage-commitment"
    transaction = orthanc.post(path, json={"DicomInstances": instances})
    address = f"/storage-commitment/{transaction.raise_for_status().json()['ID']}"
    eventually(lambda: orthanc.get(address).json()["Status"] != "Pending", "Orthanc has been told")
    found: dict[str, object] = orthanc.get(address).json()
    return found


def test_its_rejection_note_hides_an_instance(
    orthanc: httpx.Client, service: Service, drawn: StudySet
) -> None:
    rejected = pydicom.dcmread(drawn.files[1], stop_before_pixels=True)
    uid = str(rejected.SOPInstanceUID)
    assert service.http.get(f"/v1/instances/{uid}").status_code == httpx.codes.OK
    note = key_object_selection([rejected], "113037")
    file = write_file(service.state_dir.parent / "note.dcm", note)
    stored = orthanc.post("/instances", content=file.read_bytes()).raise_for_status().json()
    orthanc.post(f"/modalities/{MODALITY}/store", json=stored["ID"]).raise_for_status()
    assert service.http.get(f"/v1/instances/{uid}").status_code == httpx.codes.NOT_FOUND
    (applied,) = service.records("rejection.applied")
    assert (applied["calling_ae_title"], applied["hidden"]) == ("ORTHANC", 1)
