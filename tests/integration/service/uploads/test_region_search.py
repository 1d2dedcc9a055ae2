"""Searching by a box of a slice, over HTTP."""

import numpy as np
import pytest
from sqlalchemy import select

from service.db.tables import embedding, instance
from tests.support.serving import problem_of
from tests.support.uploads import FRAMES, PATIENTS, SHAPE, UploadGallery

ROWS, COLUMNS = SHAPE


def ask(gallery: UploadGallery, body: object, **query: object):
    return gallery.client.post("/v1/search", json=body, params=query)


def region(uid: object, box: list[float], frame: int = 1) -> dict[str, object]:
    return {"region": {"sop_instance_uid": str(uid), "frame": frame, "box": box}}


def test_a_region_leaves_its_own_patient_out(gallery: UploadGallery) -> None:
    asked = gallery.slices[2].SOPInstanceUID
    response = ask(gallery, region(asked, [20, 20, 40.5, 44]), k=20)
    assert response.status_code == 200, response.text
    body = response.json()
    found = {n["sop_instance_uid"] for n in body["neighbours"]}
    assert len(body["neighbours"]) == 2 * PATIENTS + FRAMES - 2
    assert not found & gallery.of_patient(1)
    assert body["query"]["by"] == "region"
    assert body["query"]["region"] == region(asked, [20, 20, 40.5, 44])["region"]
    assert body["query"]["patient"] == "left out"
    own = ask(gallery, region(asked, [20, 20, 40, 44]), k=20, same_patient=True).json()
    also = {n["sop_instance_uid"] for n in own["neighbours"]}
    assert also - found == gallery.of_patient(1) - {str(asked)}


def test_the_box_of_everything_is_the_slice_itself(gallery: UploadGallery) -> None:
    with gallery.engine.connect() as connection:
        file = gallery.resources.encoder_files.active(connection)
        for dataset, frame in ((gallery.slices[3], 1), (gallery.frames, 2)):
            row = connection.execute(
                select(instance.c.file_name, embedding.c.coordinates)
                .join(embedding, instance.c.instance_id == embedding.c.instance_id)
                .where(
                    instance.c.sop_instance_uid == str(dataset.SOPInstanceUID),
                    embedding.c.frame == frame,
                )
            ).one()
            path = gallery.resources.store.path(row.file_name)
            box = (0, 0, COLUMNS, ROWS)
            found = gallery.resources.queries.embedder.region(path, frame, box, file)
            np.testing.assert_allclose(found, row.coordinates, atol=1e-5)


def test_two_boxes_are_two_questions(gallery: UploadGallery) -> None:
    asked = gallery.slices[0].SOPInstanceUID
    first, second = (
        ask(gallery, region(asked, box), k=20).json()["neighbours"]
        for box in ([12, 12, 30, 30], [34, 40, 52, 60])
    )
    assert [n["distance"] for n in first] != [n["distance"] for n in second]


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([0, 0, COLUMNS + 1, ROWS], f"the slice, which is {COLUMNS} x {ROWS} pixels"),
        ([0, 0, COLUMNS, ROWS + 0.5], "leaves the slice"),
        ([10, 10, 17.9, 40], "at least 8 pixels"),
        ([10, 10, 40, 17], "at least 8 pixels"),
        ([40, 10, 10, 40], "at least 8 pixels"),
        ([-1, 0, 20, 20], "region.box.0"),
        ([0, 0, 20], "region.box"),
        ([0, 0, 20, 1e300], "region.box.3"),
        (["a", 0, 20, 20], "region.box.0"),
    ],
)
def test_a_box_that_cannot_be_is_refused(
    gallery: UploadGallery, box: list[float], words: str
) -> None:
    response = ask(gallery, region(gallery.slices[0].SOPInstanceUID, box))
    assert words in problem_of(response, 422)


def test_a_box_outside_the_head_is_refused(gallery: UploadGallery) -> None:
    response = ask(gallery, region(gallery.slices[0].SOPInstanceUID, [0, 0, 8, 8]))
    assert "outside the head" in problem_of(response, 422)


def test_a_slice_that_is_not_there_is_named(gallery: UploadGallery) -> None:
    assert "1.2.3" in problem_of(ask(gallery, region("1.2.3", [0, 0, 9, 9])), 404)
    lacking = ask(gallery, region(gallery.slices[0].SOPInstanceUID, [0, 0, 9, 9], frame=2))
    assert "no frame 2" in problem_of(lacking, 422)
    assert "sop_instance_uid" in problem_of(ask(gallery, region("../x", [0, 0, 9, 9])), 422)


@pytest.mark.parametrize(
    "body",
    [
        *(1, "x", [], {}, {"positive": []}, {"positive": None}, {"region": None}),
        {"region": {"sop_instance_uid": "1.2", "box": [0, 0, 9, 9]}, "negative": [{}]},
        {"negative": [{"sop_instance_uid": "1.2"}]},
        {"positive": [{"sop_instance_uid": "1.2"}], "limit": 1},
        {"positive": [{"sop_instance_uid": "1.2", "frame": 0}]},
        {"positive": [{"sop_instance_uid": "1.2"}] * 33},
        {
            "positive": [{"sop_instance_uid": "1.2"}] * 20,
            "negative": [{"sop_instance_uid": "1.3"}] * 20,
        },
    ],
)
def test_json_that_asks_for_nothing_known_is_refused(gallery: UploadGallery, body: object) -> None:
    problem_of(ask(gallery, body), 422)


@pytest.mark.parametrize("data", [b"", b"null", b"{", b"\xff", b"[" * 5000, b'{"region": NaN}'])
def test_what_is_no_json_is_refused(gallery: UploadGallery, data: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    problem_of(gallery.client.post("/v1/search", content=data, headers=headers), 422)
