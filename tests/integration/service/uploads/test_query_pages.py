"""Pages of what is found by examples, regions and files, over HTTP."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.integration.service.api.conftest import Filled, filled
from tests.support.serving import problem_of
from tests.support.uploads import UploadGallery, dicom_bytes

__all__ = ["filled"]

EXAMPLES = {
    "positive": [{"sop_instance_uid": "8.0"}, {"sop_instance_uid": "8.7"}],
    "negative": [{"sop_instance_uid": "8.20"}],
}
Ask = Callable[..., httpx.Response]


def places(body: dict[str, Any]) -> list[tuple[object, ...]]:
    return [
        (found["rank"], found["sop_instance_uid"], found["frame"]) for found in body["neighbours"]
    ]


def pages(ask: Ask, k: int) -> list[tuple[object, ...]]:
    """All that is found, page by page."""
    found: list[tuple[object, ...]] = []
    cursor: str | None = None
    while True:
        response = ask(k=k) if cursor is None else ask(k=k, cursor=cursor)
        assert response.status_code == 200, response.text
        body = response.json()
        assert body["complete"]
        found += places(body)
        cursor = body["next_cursor"]
        if cursor is None:
            return found


def by_examples(filled: Filled, body: dict[str, Any] = EXAMPLES) -> Ask:
    return lambda **query: filled.client.post("/v1/search", json=body, params=query)


@pytest.mark.parametrize("collapse", ["none", "patient"])
def test_pages_by_examples_are_the_whole_ranking(filled: Filled, collapse: str) -> None:
    ask = by_examples(filled)
    whole = ask(k=500, collapse=collapse).json()
    assert whole["next_cursor"] is None
    assert len(whole["neighbours"]) > 8
    assert pages(lambda **query: ask(collapse=collapse, **query), 4) == places(whole)


def test_a_cursor_of_other_examples_or_parameters_is_refused(filled: Filled) -> None:
    cursor = by_examples(filled)(k=3).json()["next_cursor"]
    other = {"positive": EXAMPLES["positive"]}
    for response in (
        by_examples(filled, other)(k=3, cursor=cursor),
        by_examples(filled)(k=3, cursor=cursor, modality="MR"),
        by_examples(filled)(k=3, cursor=cursor, same_patient=True),
        by_examples(filled)(k=3, cursor=cursor[:-2]),
        filled.client.get("/v1/instances/8.0/similar", params={"cursor": cursor}),
    ):
        assert problem_of(response, 422)


def test_once_another_encoder_is_active_a_cursor_is_stale(filled: Filled) -> None:
    cursor = by_examples(filled)(k=3).json()["next_cursor"]
    with filled.engine.begin() as connection:
        connection.execute(text("UPDATE encoder SET digest = reverse(digest)"))
    try:
        response = by_examples(filled)(k=3, cursor=cursor)
    finally:
        with filled.engine.begin() as connection:
            connection.execute(text("UPDATE encoder SET digest = reverse(digest)"))
    assert "encoder has changed" in str(problem_of(response, 409))


def test_pages_by_a_region_and_by_a_file(gallery: UploadGallery) -> None:
    uid = str(gallery.slices[2].SOPInstanceUID)
    body = {"region": {"sop_instance_uid": uid, "frame": 1, "box": [20, 20, 40.5, 44]}}
    file, other = dicom_bytes(gallery.slices[3]), dicom_bytes(gallery.slices[4])

    def by_region(**query: object) -> httpx.Response:
        return gallery.client.post("/v1/search", json=body, params=query)

    def by_file(data: bytes = file, **query: object) -> httpx.Response:
        kind = {"Content-Type": "application/dicom"}
        return gallery.client.post("/v1/search", content=data, headers=kind, params=query)

    for ask in (by_region, by_file):
        assert pages(ask, 3) == places(ask(k=500).json())
    cursor = by_file(k=3).json()["next_cursor"]
    assert problem_of(by_file(other, k=3, cursor=cursor), 422)
    assert problem_of(by_region(k=3, cursor=cursor), 422)
