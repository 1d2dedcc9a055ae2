"""A PACS pushes studies; they become searchable, and the ranking is the one NumPy finds."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from service.demo.studies import StudySet
from tests.support.peers import SUCCESS, Push, dcmsend, echoscu
from tests.support.service import Service, running_service

K, QUERIES = 10, 20
TOLERANCE = 1e-4
REAL_SLICES = 150

pytestmark = pytest.mark.usefixtures("dcmtk")


@dataclass(frozen=True)
class Pushed:
    """A service that was pushed files to, and has embedded them."""

    service: Service
    push: Push
    files: tuple[Path, ...]
    export: dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def drawn_gallery(drawn: StudySet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    """The drawn studies in a service."""
    folder = tmp_path_factory.mktemp("drawn-gallery")
    with running_service(folder) as service:
        yield pushed(service, drawn.files, folder)


@pytest.fixture(scope="module")
def real_gallery(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    """Real slices of all labels, as many of each, in a service."""
    by_label = defaultdict(list)
    with (shared_data / "slices.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            by_label[row["label"]].append(shared_data / row["file"])
    each = REAL_SLICES // len(by_label)
    # Spread over the label's patients, not only over the slices of the first few.
    files = [f for all_ in by_label.values() for f in islice(all_, 0, None, len(all_) // each)]
    folder = tmp_path_factory.mktemp("real-gallery")
    with running_service(folder) as service:
        yield pushed(service, files, folder)


@pytest.fixture(scope="module", params=["drawn_gallery", "real_gallery"])
def gallery(request: pytest.FixtureRequest) -> Pushed:
    found: Pushed = request.getfixturevalue(request.param)
    return found


def pushed(service: Service, files: tuple[Path, ...] | list[Path], folder: Path) -> Pushed:
    push = dcmsend(service.dicom_port, *files, report=folder / "report.txt")
    service.await_settled()
    service.run("gallery", "export", folder / "gallery.npz")
    with np.load(folder / "gallery.npz", allow_pickle=False) as archive:
        export = {name: archive[name] for name in archive.files}
    return Pushed(service, push, tuple(files), export)


def test_every_file_is_acknowledged_and_embedded(gallery: Pushed) -> None:
    assert gallery.push.returncode == 0
    assert [sent.status for sent in gallery.push.sent] == [SUCCESS] * len(gallery.files)
    uids = {sent.sop_instance_uid for sent in gallery.push.sent}
    assert len(uids) == len(gallery.files)
    assert gallery.service.states() == dict.fromkeys(uids, ("embedded", None))
    assert set(gallery.export["sop_instance_uid"]) == uids
    assert gallery.export["embedding"].shape == (len(uids), 4096)
    lengths = np.linalg.norm(gallery.export["embedding"], axis=1)
    assert np.abs(lengths - 1).max() < TOLERANCE


@pytest.mark.parametrize("exact", [False, True])
def test_the_ranking_is_the_one_of_brute_force(gallery: Pushed, exact: bool) -> None:
    uids = gallery.export["sop_instance_uid"]
    vectors = gallery.export["embedding"].astype(np.float64)
    keys = gallery.export["patient_key"]
    number_of = {uid: number for number, uid in enumerate(uids)}
    for query in np.linspace(0, len(uids) - 1, QUERIES).astype(int):
        answer = gallery.service.http.get(
            f"/v1/instances/{uids[query]}/similar", params={"k": K, "exact": exact}
        )
        assert answer.status_code == 200
        body = answer.json()
        assert body["complete"]
        assert body["method"] == "exact" or not exact
        found = [number_of[n["sop_instance_uid"]] for n in body["neighbours"]]
        assert len(set(found)) == K
        assert keys[query] not in keys[found]
        distances = np.linalg.norm(vectors - vectors[query], axis=1)
        told = np.array([n["distance"] for n in body["neighbours"]])
        np.testing.assert_allclose(told, distances[found], atol=TOLERANCE)
        # Equal to the ranking but for ties: place by place the distance is the one it must be.
        best = np.sort(distances[keys != keys[query]])[:K]
        np.testing.assert_allclose(distances[found], best, atol=TOLERANCE / 10)


def test_a_slice_shows_what_it_is_and_its_own_numbers(gallery: Pushed) -> None:
    uid = str(gallery.export["sop_instance_uid"][3])
    (file,) = [s.path for s in gallery.push.sent if s.sop_instance_uid == uid]
    header = pydicom.dcmread(file, stop_before_pixels=True)
    facts = gallery.service.http.get(f"/v1/instances/{uid}").json()
    assert facts["study_instance_uid"] == header.StudyInstanceUID
    assert facts["series_instance_uid"] == header.SeriesInstanceUID
    assert (facts["modality"], facts["rows"]) == (header.Modality, header.Rows)
    assert (facts["state"], facts["reason"], facts["source"]) == ("embedded", None, "DCMSEND")
    numbers = gallery.service.http.get(f"/v1/instances/{uid}/embedding").json()["embedding"]
    np.testing.assert_allclose(numbers, gallery.export["embedding"][3], atol=1e-6)
    picture = gallery.service.http.get(f"/v1/instances/{uid}/preview")
    assert picture.headers["content-type"] == "image/png"


def test_a_file_sent_to_search_by_finds_what_its_object_finds(gallery: Pushed) -> None:
    headers = {"Content-Type": "application/dicom"}
    for sent in gallery.push.sent[:: max(1, len(gallery.push.sent) // 5)]:
        answer = gallery.service.http.post(
            "/v1/search", content=sent.path.read_bytes(), headers=headers, params={"k": K}
        )
        assert answer.status_code == 200, answer.text
        stored = gallery.service.http.get(
            f"/v1/instances/{sent.sop_instance_uid}/similar", params={"k": K}
        ).json()
        found = [n["distance"] for n in answer.json()["neighbours"]]
        expected = [n["distance"] for n in stored["neighbours"]]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_no_name_and_no_id_of_a_patient_gets_out(gallery: Pushed) -> None:
    secrets = set()
    for file in gallery.files:
        header = pydicom.dcmread(file, stop_before_pixels=True)
        secrets |= {str(header.get("PatientID", "")), str(header.get("PatientName", ""))}
    secrets = {secret for secret in secrets if secret}
    assert len(secrets) > 10
    places = {
        "log": gallery.service.log.read_text(),
        "database": everything_in(gallery.service),
        "database's log": database_log(gallery.service),
        "answers": "".join(answers(gallery.service, gallery.export["sop_instance_uid"][:5])),
    }
    for place, text in places.items():
        assert not [secret for secret in secrets if secret in text], place


def everything_in(service: Service) -> str:
    """All rows of all tables as text."""
    tables = service.rows(
        "SELECT format('%%I.%%I', table_schema, table_name) FROM information_schema.tables "
        "WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    )
    assert ("public.instance",) in tables
    return "\n".join(
        str(row)
        for (table,) in tables
        for row in service.rows(f"SELECT t.*::text FROM {table} t")
        if table != "public.encoder"
    )


def database_log(service: Service) -> str:
    logs = list((service.database.data_dir.parent / "log").glob("*.log"))
    assert logs
    return "".join(log.read_text() for log in logs)


def answers(service: Service, uids: NDArray[Any]) -> Iterator[str]:
    for uid in uids:
        for route in ("", "/similar?k=20", "/similar?same_patient=true"):
            yield service.http.get(f"/v1/instances/{uid}{route}").raise_for_status().text
    yield service.http.get("/metrics").raise_for_status().text
    yield service.http.get("/v1/instances/1.2.3").text


def test_echo(drawn_gallery: Pushed) -> None:
    rejected = echoscu(drawn_gallery.service.dicom_port, called="ARCHIVE")
    assert rejected.returncode != 0
    assert "Called AE Title Not Recognized" in rejected.stdout + rejected.stderr
    answer = echoscu(drawn_gallery.service.dicom_port)
    assert answer.returncode == 0
    assert "Received Echo Response (Success)" in answer.stdout + answer.stderr


def test_a_wrong_title_is_rejected_and_the_log_says_so(
    drawn_gallery: Pushed, tmp_path: Path
) -> None:
    service = drawn_gallery.service
    push = dcmsend(
        service.dicom_port, drawn_gallery.files[0], report=tmp_path / "report", called="ARCHIVE"
    )
    assert push.returncode != 0
    assert push.sent == ()
    rejected = service.records("association.rejected")[-1]
    assert rejected["reason"] == "called AE title was ARCHIVE, ours is PRECUNEUS"
    assert rejected["calling_ae_title"] == "DCMSEND"


def test_the_same_push_again_makes_no_work(drawn_gallery: Pushed, tmp_path: Path) -> None:
    service = drawn_gallery.service
    before, files = service.stats(), service.objects()
    push = dcmsend(service.dicom_port, *drawn_gallery.files, report=tmp_path / "report")
    assert push.statuses == {SUCCESS}
    assert service.stats() == before
    assert service.objects() == files
