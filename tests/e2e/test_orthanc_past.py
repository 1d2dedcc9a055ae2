"""An archive's past is fetched, and reconciled before and after; more of it in `make soak`."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.objects import ct_dataset, write_file
from tests.support.orthanc import running_orthanc
from tests.support.service import Service, running_service

STUDIES = 200 if os.environ.get("SOAK") == "1" else 20
_EVERYTHING = ("--from", "pacs", "--modality", "CT", "--since", "2024-01-01", "--json")


@pytest.fixture
def service(tmp_path: Path, fast_encoder: dict[str, str]) -> Iterator[Service]:
    with running_service(tmp_path, **fast_encoder) as running:
        yield running


@pytest.fixture
def archive(
    orthanc_program: str, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """An Orthanc with the studies, known to the service as `pacs`."""
    folder = tmp_path_factory.mktemp("orthanc")
    with running_orthanc(orthanc_program, folder, service.dicom_port) as client:
        for number in range(STUDIES):
            date = f"2024{1 + number % 12:02d}{1 + number % 28:02d}"
            dataset = ct_dataset(patient_id=f"TEST-{number}", seed=number, StudyDate=date)
            file = write_file(folder / "object.dcm", dataset)
            client.post("/instances", content=file.read_bytes()).raise_for_status()
        port = client.get("/system").json()["DicomPort"]
        address = ("--ae-title", "ORTHANC", "--host", "127.0.0.1", "--port", port)
        service.run("node", "peers", "add", "pacs", *address)
        yield client


@pytest.mark.parametrize("way", ["move", "get"])
def test_the_past_is_fetched(archive: httpx.Client, service: Service, way: str) -> None:
    found = service.run("node", "reconcile", *_EVERYTHING, check=False)
    before = json.loads(found.stdout)
    assert found.returncode == 1
    assert before["totals"]["missing"] == STUDIES

    report = json.loads(service.run("node", "pull", *_EVERYTHING, "--by", way).stdout)
    assert (report["by"], report["failures"], report["received"]) == (way, [], STUDIES)
    again = json.loads(service.run("node", "pull", *_EVERYTHING, "--by", way).stdout)
    assert again["received"] == 0

    service.await_settled()
    after = json.loads(service.run("node", "reconcile", *_EVERYTHING).stdout)
    assert (after["totals"]["searchable"], after["totals"]["missing"]) == (STUDIES, 0)
