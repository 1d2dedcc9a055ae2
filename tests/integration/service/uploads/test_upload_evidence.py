"""Evidence about an uploaded slice, over HTTP: there where it holds, and refused elsewhere."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, create_engine

from service.calibration.figures import ALL, Calibration, EvidenceFigures
from service.calibration.quantiles import Quantiles
from service.calibration.store import save
from service.decoding import DecodePool
from service.encoders.registry import get_active
from service.evidence.weighing import Weighing
from tests.support.databases import fresh_database
from tests.support.labels import of_instance, record
from tests.support.serving import problem_of
from tests.support.uploads import (
    PATIENTS,
    UploadGallery,
    dicom_bytes,
    head_pixels,
    picture_bytes,
    upload_gallery,
)

# Made up: as many heads as these would need are more than a test can embed.
DISTANCES = {
    "CT": Quantiles(30, (0.0, 1.0), (0.0, 1.0)),
    ALL: Quantiles(60, (0.0, 1.0), (0.0, 2.0)),
}
FIGURES = EvidenceFigures(Weighing(0.05, 0.3), 0.03, 0.9, 100, 30, "gallery", "made up")


@pytest.fixture(scope="module")
def judged(
    cluster_url: str, tmp_path_factory: pytest.TempPathFactory, decode_pool: DecodePool
) -> Iterator[UploadGallery]:
    """A gallery with a calibration; every patient's first slice is labelled."""
    with fresh_database(cluster_url) as url:
        engine = create_engine(url)
        with upload_gallery(engine, url, tmp_path_factory.mktemp("judged"), decode_pool) as made:
            label_and_calibrate(engine, made)
            yield made
        engine.dispose()


def label_and_calibrate(engine: Engine, made: UploadGallery) -> None:
    said = [
        of_instance(str(made.slices[2 * patient].SOPInstanceUID), f"disease {patient % 2}")
        for patient in range(PATIENTS)
    ]
    record(engine, *said)
    figures = Calibration(60, 100, {"disease 0": 30, "disease 1": 30}, DISTANCES, None, FIGURES)
    with engine.begin() as connection:
        save(connection, get_active(connection), figures)


def post(gallery: UploadGallery, data: bytes, **query: Any) -> dict[str, Any]:
    response = gallery.client.post(
        "/v1/search",
        content=data,
        headers={"Content-Type": "application/octet-stream"},
        params={"evidence": True, **query},
    )
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def test_a_file_of_the_gallery_has_the_evidence_of_its_slice(judged: UploadGallery) -> None:
    asked = judged.slices[2]
    body = post(judged, dicom_bytes(asked), k=20)
    path = f"/v1/instances/{asked.SOPInstanceUID}/evidence"
    stored = judged.client.get(path).json()
    found = body["evidence"]
    assert found["percentiles_within"] == stored["percentiles_within"] == "CT"
    assert found["patients"] == stored["patients"] == PATIENTS - 1
    assert found["labelled_patients"] == stored["labelled_patients"] > 0
    for name in ("sop_instance_uid", "labels"):
        told = [[n[name] for n in one["neighbours"]] for one in (found, stored)]
        assert told[0] == told[1]
    assert [s["label"] for s in found["shares"]] == [s["label"] for s in stored["shares"]]
    shares = [[s["share"] for s in one["shares"]] for one in (found, stored)]
    np.testing.assert_allclose(*shares, atol=1e-3)
    assert found["remarks"] == []
    for neighbour in body["neighbours"]:
        assert neighbour["percentile"] == pytest.approx(100 * neighbour["distance"])


def test_its_own_patient_never_votes_though_it_may_be_found(judged: UploadGallery) -> None:
    body = post(judged, dicom_bytes(judged.slices[2]), k=20, same_patient=True)
    own = judged.of_patient(1)
    assert own & {n["sop_instance_uid"] for n in body["neighbours"]}
    assert not own & {n["sop_instance_uid"] for n in body["evidence"]["neighbours"]}


@pytest.mark.parametrize(("query", "within"), [({}, "all"), ({"ct_window": "0,80"}, "CT")])
def test_a_picture_is_told_whose_slices_may_be_among_the_voters(
    judged: UploadGallery, query: dict[str, str], within: str
) -> None:
    picture = picture_bytes((head_pixels(0) // 8).astype(np.uint8))
    body = post(judged, picture, **query)
    assert body["evidence"]["percentiles_within"] == within
    assert body["evidence"]["patients"] == PATIENTS
    assert body["evidence"]["shares"]
    assert "names no patient" in body["evidence"]["remarks"][-1]


def test_nothing_of_it_is_told_unasked(judged: UploadGallery) -> None:
    body = post(judged, dicom_bytes(judged.slices[2]), evidence=False)
    assert "evidence" not in body
    assert not any("percentile" in neighbour for neighbour in body["neighbours"])
    assert (body["explanation"], body["query"]["region"]) == (None, None)


def test_there_is_none_about_regions_and_examples(judged: UploadGallery) -> None:
    uid = str(judged.slices[0].SOPInstanceUID)
    bodies = (
        {"region": {"sop_instance_uid": uid, "box": [0, 0, 64, 72]}},
        {"positive": [{"sop_instance_uid": uid}]},
    )
    for body in bodies:
        answer = judged.client.post("/v1/search", json=body, params={"evidence": True})
        assert "whole slices" in problem_of(answer, 422)
        assert judged.client.post("/v1/search", json=body).status_code == 200
