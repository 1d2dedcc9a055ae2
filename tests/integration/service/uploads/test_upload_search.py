"""Searching by uploaded files, over HTTP, in a gallery that a real worker embedded."""

from pathlib import Path

import httpx
import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)
from sqlalchemy import select

from service.db.tables import embedding, instance
from tests.support.objects import ct_dataset
from tests.support.serving import problem_of
from tests.support.uploads import (
    DICOM,
    FRAMES,
    PATIENTS,
    UploadGallery,
    dicom_bytes,
    head_pixels,
    picture_bytes,
)

ALL = 2 * PATIENTS + FRAMES


def post(gallery: UploadGallery, data: bytes, kind: str = "application/dicom", **query: object):
    response = gallery.client.post(
        "/v1/search", content=data, headers={"Content-Type": kind}, params=query
    )
    assert response.status_code == 200, response.text
    return response.json()


def uids(body: dict) -> list[str]:
    return [neighbour["sop_instance_uid"] for neighbour in body["neighbours"]]


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]
)
def test_a_slice_of_the_gallery_finds_what_the_search_for_it_finds(
    gallery: UploadGallery, syntax: str
) -> None:
    asked = gallery.slices[2]
    body = post(gallery, dicom_bytes(asked, syntax), k=20)
    stored = gallery.client.get(
        f"/v1/instances/{asked.SOPInstanceUID}/similar", params={"k": 20}
    ).json()
    assert uids(body) == uids(stored)
    assert len(uids(body)) == ALL - 2
    found = [n["distance"] for n in body["neighbours"]]
    np.testing.assert_allclose(found, [n["distance"] for n in stored["neighbours"]], atol=1e-5)
    assert body["query"]["by"] == "upload"
    assert body["query"]["kind"] == "dicom"
    assert body["query"]["sop_instance_uid"] == asked.SOPInstanceUID
    assert body["query"]["patient"] == "left out"
    assert body["encoder"] == stored["encoder"]


def test_an_upload_is_embedded_as_the_object_that_was_received(gallery: UploadGallery) -> None:
    queries = gallery.resources.queries
    with gallery.engine.connect() as connection:
        file = gallery.resources.encoder_files.active(connection)
        rows = connection.execute(
            select(instance.c.sop_instance_uid, embedding.c.frame, embedding.c.coordinates).join(
                instance, instance.c.instance_id == embedding.c.instance_id
            )
        )
        stored = {(row.sop_instance_uid, row.frame): row.coordinates for row in rows}
    assert len(stored) == ALL
    for dataset in (*gallery.slices[:3], gallery.frames):
        for frame in range(1, int(dataset.get("NumberOfFrames", 1)) + 1):
            _, found = queries.embedder.upload(dicom_bytes(dataset), frame, file)
            np.testing.assert_allclose(found, stored[dataset.SOPInstanceUID, frame], atol=1e-5)


def test_the_own_patient_is_searched_if_asked_but_not_the_upload_itself(
    gallery: UploadGallery,
) -> None:
    asked = gallery.slices[4]
    body = post(gallery, dicom_bytes(asked), k=20, same_patient=True)
    assert body["query"]["patient"] == "searched"
    assert asked.SOPInstanceUID not in uids(body)
    assert gallery.of_patient(2) & set(uids(body))
    assert len(uids(body)) == ALL - 1


def test_a_new_slice_of_a_known_patient_leaves_the_patient_out(gallery: UploadGallery) -> None:
    new = ct_dataset(pixels=head_pixels(77), patient_id="ZQ-0")
    body = post(gallery, dicom_bytes(new), k=20)
    assert len(uids(body)) == 2 * PATIENTS - 2
    assert not gallery.of_patient(0) & set(uids(body))
    issued = ct_dataset(pixels=head_pixels(77), patient_id="ZQ-0", IssuerOfPatientID="elsewhere")
    assert len(uids(post(gallery, dicom_bytes(issued), k=20))) == ALL


def test_a_frame_of_an_upload_is_chosen(gallery: UploadGallery) -> None:
    data = dicom_bytes(gallery.frames)
    own = str(gallery.frames.SOPInstanceUID)
    body = post(gallery, data, frame=2, same_patient=True, k=20)
    assert body["query"]["frame"] == 2
    frames = {n["frame"] for n in body["neighbours"] if n["sop_instance_uid"] == own}
    assert frames == {1, 3}
    for frame in (FRAMES + 1, 1_000_000):
        refused = gallery.client.post(
            "/v1/search", content=data, headers=DICOM, params={"frame": frame}
        )
        assert f"has {FRAMES} frame(s), not {frame}" in problem_of(refused, 422)


def test_a_picture_of_a_slice_finds_the_slice(gallery: UploadGallery) -> None:
    # As a screen shows it in a usual brain window.
    grey = np.clip((head_pixels(6).astype(np.float32) - 1024) / 80 * 255, 0, 255).astype(np.uint8)
    own = str(gallery.slices[6].SOPInstanceUID)
    pictures = {
        "image/png": picture_bytes(grey),
        "image/jpeg": picture_bytes(grey, "JPEG", quality=95),
        "application/octet-stream": picture_bytes(np.stack([grey] * 3, axis=-1)),
    }
    for kind, data in pictures.items():
        body = post(gallery, data, kind, k=3)
        assert uids(body)[0] == own
        assert body["neighbours"][0]["distance"] < 0.1
        assert body["query"]["patient"] == "unknown"
        assert body["query"]["sop_instance_uid"] is None
    assert body["query"]["kind"] == "png"


def test_a_picture_of_a_ct_is_nearer_with_its_window(gallery: UploadGallery) -> None:
    # Two kinds of depth, in a window that is not the encoder's own.
    share = np.clip((head_pixels(6).astype(np.float32) - 1024 + 20) / 120, 0, 1)
    for white, kind in ((255, np.uint8), (65535, np.uint16)):
        data = picture_bytes(np.rint(share * white).astype(kind))
        body = post(gallery, data, "image/png", ct_window="-20,100")
        assert uids(body)[0] == gallery.slices[6].SOPInstanceUID
        assert body["neighbours"][0]["distance"] < 0.005
        plain = post(gallery, data, "image/png")["neighbours"][0]["distance"]
        assert plain > 4 * body["neighbours"][0]["distance"]


@pytest.mark.parametrize("window", ["80,0", "0", "a,b", "0,80,1", "nan,80", "1e9,2e9", ""])
def test_a_window_that_is_none_is_refused(gallery: UploadGallery, window: str) -> None:
    data = picture_bytes((head_pixels(1) // 8).astype(np.uint8))
    response = gallery.client.post(
        "/v1/search", content=data, headers=DICOM, params={"ct_window": window}
    )
    assert "ct_window" in problem_of(response, 422)


def test_a_dicom_file_needs_no_window(gallery: UploadGallery) -> None:
    response = gallery.client.post(
        "/v1/search",
        content=dicom_bytes(gallery.slices[0]),
        headers=DICOM,
        params={"ct_window": "0,80"},
    )
    assert "no ct_window" in problem_of(response, 422)


def test_the_filters_of_the_search_hold(gallery: UploadGallery) -> None:
    data = dicom_bytes(gallery.slices[0])
    assert uids(post(gallery, data, modality="MR")) == []
    collapsed = post(gallery, data, collapse="patient", k=20, exact=True, explain=True)
    assert len(uids(collapsed)) == PATIENTS - 1
    assert collapsed["method"] == "exact"
    assert collapsed["explanation"] is not None
    refused = gallery.client.post(
        "/v1/search", content=data, headers=DICOM, params={"age_from": 60, "age_to": 50}
    )
    assert "age_to" in problem_of(refused, 422)


def test_nothing_is_stored(gallery: UploadGallery) -> None:
    state = gallery.resources.store.path("").parent

    def everything() -> tuple[list[Path], int]:
        with gallery.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT count(*) FROM instance").scalar_one()
        return sorted(state.rglob("*")), rows

    before = everything()
    new = ct_dataset(pixels=head_pixels(78), patient_id="ZQ-NEW", study_instance_uid=generate_uid())
    post(gallery, dicom_bytes(new))
    assert everything() == before


def test_a_failure_says_nothing_of_the_patient(
    gallery: UploadGallery, caplog: pytest.LogCaptureFixture
) -> None:
    broken = dicom_bytes(ct_dataset(pixels=head_pixels(1), patient_id="ZQ-4711"))[:-100]
    response: httpx.Response = gallery.client.post("/v1/search", content=broken, headers=DICOM)
    problem_of(response, 422)
    assert "4711" not in response.text
    assert "Nobody" not in response.text
    assert "4711" not in caplog.text
