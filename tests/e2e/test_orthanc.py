"""A PACS that people run, Orthanc, pushes a study by its own means."""

from collections.abc import Iterator

import httpx
import pydicom
import pytest

from service.demo.studies import StudySet
from tests.support.orthanc import MODALITY, running_orthanc
from tests.support.service import Service, running_service


@pytest.fixture(scope="module")
def service(
    orthanc_program: str, tmp_path_factory: pytest.TempPathFactory, fast_encoder: dict[str, str]
) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service"), **fast_encoder) as running:
        yield running


@pytest.fixture(scope="module")
def orthanc(
    orthanc_program: str, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("orthanc")
    with running_orthanc(orthanc_program, folder, service.dicom_port) as client:
        yield client


def test_its_echo_is_answered(orthanc: httpx.Client) -> None:
    assert orthanc.post(f"/modalities/{MODALITY}/echo", json={}).status_code == httpx.codes.OK


def test_studies_in_every_transfer_syntax_arrive_and_are_embedded(
    orthanc: httpx.Client, service: Service, drawn: StudySet
) -> None:
    headers = {file: pydicom.dcmread(file, stop_before_pixels=True) for file in drawn.files}
    # A study for each transfer syntax that is drawn: what Orthanc must hand on as it is.
    chosen = {h.file_meta.TransferSyntaxUID: h.StudyInstanceUID for h in headers.values()}
    assert len(chosen) > 2
    sent = {f: h for f, h in headers.items() if h.StudyInstanceUID in chosen.values()}
    uploads = [orthanc.post("/instances", content=file.read_bytes()) for file in sent]
    studies = {upload.raise_for_status().json()["ParentStudy"] for upload in uploads}
    assert len(studies) == len(chosen)

    answer = orthanc.post(f"/modalities/{MODALITY}/store", json=sorted(studies))

    assert answer.raise_for_status().json()["FailedInstancesCount"] == 0
    service.await_settled()
    uids = [str(header.SOPInstanceUID) for header in sent.values()]
    assert service.states() == dict.fromkeys(uids, ("embedded", None))
    syntaxes = service.rows("SELECT DISTINCT transfer_syntax_uid, source FROM instance")
    assert {syntax for syntax, _ in syntaxes} == {str(syntax) for syntax in chosen}
    assert {source for _, source in syntaxes} == {"ORTHANC"}
    facts = service.http.get(f"/v1/instances/{uids[0]}").json()
    assert facts["source"] == "ORTHANC"


def test_a_wrong_title_is_rejected(orthanc: httpx.Client, service: Service) -> None:
    known = orthanc.get(f"/modalities/{MODALITY}/configuration").json()
    orthanc.put("/modalities/wrong", json=known | {"AET": "ARCHIVE"}).raise_for_status()
    assert orthanc.post("/modalities/wrong/echo", json={}).is_error
    (rejected,) = service.records("association.rejected")
    assert rejected["calling_ae_title"] == "ORTHANC"
    assert "ARCHIVE" in rejected["reason"]
