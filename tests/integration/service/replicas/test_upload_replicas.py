"""Uploads and regions with a standby: what is deleted is gone from the very next search."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from service.decoding import DecodePool
from service.encoders.registry import get_active
from tests.integration.service.replicas.conftest import emptied
from tests.support.standbys import Pair
from tests.support.uploads import DICOM, UploadGallery, dicom_bytes, upload_gallery


@pytest.fixture
def gallery(pair: Pair, decode_pool: DecodePool, tmp_path: Path) -> Iterator[UploadGallery]:
    """A gallery whose standby answers, as long as it may."""
    engine = pair.primary
    url = engine.url.render_as_string(hide_password=False)
    with upload_gallery(engine, url, tmp_path, decode_pool, standbys=(pair.standby,)) as made:
        pair.caught_up()
        yield made
    with engine.connect() as connection:
        active = get_active(connection)
    emptied(pair, active)


def by_file(gallery: UploadGallery) -> dict[str, Any]:
    data = dicom_bytes(gallery.slices[2])
    answer = gallery.client.post("/v1/search", params={"k": 50}, content=data, headers=DICOM)
    body: dict[str, Any] = answer.raise_for_status().json()
    return body


def by_region(gallery: UploadGallery) -> dict[str, Any]:
    region = {"sop_instance_uid": str(gallery.slices[2].SOPInstanceUID), "box": [0, 0, 60, 60]}
    answer = gallery.client.post("/v1/search", params={"k": 50}, json={"region": region})
    body: dict[str, Any] = answer.raise_for_status().json()
    return body


def labelled(body: dict[str, Any]) -> set[str]:
    """The slices that are found with a label."""
    return {n["sop_instance_uid"] for n in body["neighbours"] if n["labels"]}


def test_the_standby_answers_until_something_is_deleted(gallery: UploadGallery, pair: Pair) -> None:
    kept, gone = (str(gallery.slices[number].SOPInstanceUID) for number in (0, 5))
    by_file(gallery)
    with pair.paused():
        # The standby does not know what becomes of this row; that shows who answered.
        with pair.primary.begin() as connection:
            connection.execute(
                text(
                    "UPDATE embedding SET labels = '{seen}' WHERE instance_id IN (SELECT"
                    " instance_id FROM instance WHERE sop_instance_uid = ANY (:uids))"
                ),
                {"uids": [kept, gone]},
            )
        assert labelled(by_file(gallery)) == labelled(by_region(gallery)) == set()
        with pair.primary.begin() as connection:
            connection.execute(
                text("DELETE FROM instance WHERE sop_instance_uid = :uid"), {"uid": gone}
            )
        assert labelled(by_file(gallery)) == labelled(by_region(gallery)) == {kept}


def test_a_region_of_a_slice_that_the_standby_does_not_know_yet(
    gallery: UploadGallery, pair: Pair
) -> None:
    with pair.paused():
        uid = str(gallery.slices[2].SOPInstanceUID)
        with pair.primary.begin() as connection:
            connection.execute(
                text("UPDATE instance SET sop_instance_uid = '1.2.9' WHERE sop_instance_uid = :u"),
                {"u": uid},
            )
        region = {"sop_instance_uid": "1.2.9", "box": [0, 0, 60, 60]}
        answer = gallery.client.post("/v1/search", json={"region": region})
        assert answer.status_code == 200, answer.text
        assert uid not in {n["sop_instance_uid"] for n in answer.json()["neighbours"]}
