import io
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.search.filters import Filters
from service.search.found import Neighbour
from service.search.similar import Query, similar
from tests.integration.service.api.conftest import (
    FAILED,
    LABELLED,
    MULTI_FRAME,
    PENDING,
    UNSUPPORTED,
    Filled,
)
from tests.support.encoders import made_encoder
from tests.support.serving import problem_of


def test_header_facts_of_a_stored_slice(filled: Filled) -> None:
    response = filled.client.get(f"/v1/instances/{filled.stored}")
    assert response.status_code == 200
    body = response.json()
    assert body["sop_instance_uid"] == filled.stored
    assert (body["state"], body["reason"], body["frames"]) == ("pending", None, 1)
    assert (body["modality"], body["rows"], body["columns"]) == ("CT", 48, 64)
    assert (body["study_date"], body["patient_age_years"]) == ("2024-01-31", 45)
    assert (body["source"], body["labels"]) == ("import", [])
    assert len(body["patient_key"]) == 32
    (rival,) = body["conflicts"]
    assert set(rival) == {"received_at", "source", "file_size", "sha256"}
    assert len(rival["sha256"]) == 64


def test_nothing_of_the_patient_is_told(filled: Filled) -> None:
    text = filled.client.get(f"/v1/instances/{filled.stored}").text
    assert "Nobody" not in text
    assert "ZQ-4711" not in text


@pytest.mark.parametrize(
    ("uid", "state", "reason"),
    [
        (PENDING, "pending", None),
        (UNSUPPORTED, "unsupported", "not an image"),
        (FAILED, "failed", "the decoder crashed on it"),
        (MULTI_FRAME, "embedded", None),
    ],
)
def test_each_state_is_told(filled: Filled, uid: str, state: str, reason: str | None) -> None:
    body = filled.client.get(f"/v1/instances/{uid}").json()
    assert (body["state"], body["reason"]) == (state, reason)


def test_labels_are_told(filled: Filled) -> None:
    assert filled.client.get(f"/v1/instances/{LABELLED}").json()["labels"] == ["glioma"]


def told(neighbour: Neighbour) -> dict[str, Any]:
    """What may be said of a neighbour: no keys of the database."""
    internal = {"instance_id", "patient_key", "series_id", "study_id"}
    return {name: value for name, value in asdict(neighbour).items() if name not in internal}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"k": 7},
        {"exact": True},
        {"same_patient": True, "k": 39},
        {"modality": "MR"},
        {"label": "glioma"},
        {"label": "'; DROP TABLE label; --"},
        {"k": 500},
        {"modality": ["CT", "MR"], "label": ["glioma", "bleed"], "k": 3},
    ],
)
def test_similar_answers_as_the_search_does(filled: Filled, parameters: dict[str, Any]) -> None:
    uid = filled.embedded[10].sop_instance_uid
    response = filled.client.get(f"/v1/instances/{uid}/similar", params=parameters)
    assert response.status_code == 200
    named = {
        name: tuple([given] if isinstance(given, str) else given)
        for name, given in parameters.items()
        if name in ("modality", "label")
    }
    others = {n: value for n, value in parameters.items() if n not in named}
    query = Query(uid, filters=Filters(**named), **others)
    with filled.engine.connect() as connection:
        answer = similar(connection, query)
    body = response.json()
    assert body == {
        "query": {
            "sop_instance_uid": uid,
            "frame": 1,
            "k": query.k,
            "same_patient": query.same_patient,
            "modality": parameters.get("modality"),
            "label": parameters.get("label"),
            "exact": query.exact,
            "collapse": "none",
            "filters": {name: list(values) for name, values in named.items()},
        },
        "encoder": filled.encoder.name,
        "method": answer.method,
        "complete": True,
        "neighbours": [told(neighbour) for neighbour in answer.neighbours],
        "next_cursor": answer.next_cursor,
        "explanation": None,
    }
    assert len(body["neighbours"]) <= query.k


def test_pages_follow_by_cursor(filled: Filled) -> None:
    url = f"/v1/instances/{filled.embedded[10].sop_instance_uid}/similar"
    whole = filled.client.get(url, params={"k": 20}).json()["neighbours"]
    first = filled.client.get(url, params={"k": 12}).json()
    again = {"k": 8, "cursor": first["next_cursor"]}
    second = filled.client.get(url, params=again).json()
    assert first["neighbours"] + second["neighbours"] == whole
    detail = problem_of(filled.client.get(url, params=again | {"modality": "MR"}), 422)
    assert "another question" in detail


def test_every_filter_reaches_the_search(filled: Filled) -> None:
    url = f"/v1/instances/{filled.embedded[10].sop_instance_uid}/similar"
    filters = {
        **{"modality": "MR", "label": "glioma", "body_part": "HEAD", "manufacturer": "GE"},
        **{"plane": "AXIAL", "patient_sex": "F", "series_description": "t1"},
        **{"study_date_from": "2024-01-31", "study_date_to": "2024-02-01"},
        **{"age_from": 3, "age_to": 80},
    }
    for name, value in filters.items():
        body = filled.client.get(url, params={name: value, "k": 50, "explain": True}).json()
        many = name not in ("series_description",) and not name.endswith(("_from", "_to"))
        assert body["query"]["filters"] == {name: [value] if many else value}
        assert body["explanation"]["rows_passing"] == len(body["neighbours"])
        # No slice here has other facts than these two, and who lacks a fact passes no filter on it.
        assert bool(body["neighbours"]) == (name in ("modality", "label"))


def test_a_frame_is_asked_for_by_number(filled: Filled) -> None:
    answers = [
        filled.client.get(f"/v1/instances/{MULTI_FRAME}/similar", params={"frame": frame}).json()
        for frame in (1, 2, 3)
    ]
    assert [answer["query"]["frame"] for answer in answers] == [1, 2, 3]
    assert len({answer["neighbours"][0]["distance"] for answer in answers}) == 3


def test_an_embedding_has_4096_numbers_of_unit_length(filled: Filled) -> None:
    made = filled.embedded[3]
    body = filled.client.get(f"/v1/instances/{made.sop_instance_uid}/embedding").json()
    vector = np.array(body.pop("embedding"))
    assert body == {
        "sop_instance_uid": made.sop_instance_uid,
        "frame": 1,
        "encoder": filled.encoder.name,
    }
    assert vector.shape == (4096,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert made.coordinates is not None
    np.testing.assert_allclose(vector, made_encoder().basis @ made.coordinates[0], atol=1e-6)


def test_a_distance_is_that_of_the_embeddings(filled: Filled) -> None:
    made = filled.embedded[3]

    def embedding(uid: str) -> Any:
        return np.array(filled.client.get(f"/v1/instances/{uid}/embedding").json()["embedding"])

    url = f"/v1/instances/{made.sop_instance_uid}/similar"
    for neighbour in filled.client.get(url).json()["neighbours"]:
        apart = embedding(made.sop_instance_uid) - embedding(neighbour["sop_instance_uid"])
        assert neighbour["distance"] == pytest.approx(np.linalg.norm(apart), abs=1e-4)


def test_a_preview_shows_the_slice_in_its_window(filled: Filled) -> None:
    response = filled.client.get(f"/v1/instances/{filled.stored}/preview")
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(response.content)) as image:
        assert (image.format, image.mode) == ("PNG", "L")
        shown = np.asarray(image)
    # Window 512 ± 1024 on stored values minus 1024 HU (PS3.3 C.11.2.1.2).
    hounsfield = filled.pixels.astype(np.float64) - 1024
    expected = np.clip((hounsfield - 511.5) / 2047 + 0.5, 0, 1) * 255
    np.testing.assert_allclose(shown, expected, atol=0.51)


@pytest.mark.parametrize("what", ["similar", "embedding"])
@pytest.mark.parametrize(
    ("uid", "status", "words"),
    [
        ("1.2.3", 404, "no instance 1.2.3"),
        (PENDING, 409, "not embedded yet"),
        (UNSUPPORTED, 422, "unsupported: not an image"),
        (FAILED, 422, "failed: the decoder crashed on it"),
    ],
)
def test_what_has_no_embedding_is_a_problem(
    filled: Filled, what: str, uid: str, status: int, words: str
) -> None:
    response = filled.client.get(f"/v1/instances/{uid}/{what}")
    assert words in problem_of(response, status)
    assert ("retry-after" in response.headers) == (status == 409)


@pytest.mark.parametrize("what", ["", "/preview"])
def test_an_unknown_instance_is_a_problem(filled: Filled, what: str) -> None:
    response = filled.client.get(f"/v1/instances/1.2.3{what}")
    assert "no instance 1.2.3" in problem_of(response, 404)
