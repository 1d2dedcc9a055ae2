"""Searching by several positive and negative examples, over HTTP."""

from collections.abc import Iterator

import numpy as np
import pytest

from service.uploads.examples import rocchio
from tests.integration.service.api.conftest import (
    FAILED,
    MULTI_FRAME,
    PENDING,
    UNSUPPORTED,
    Filled,
    filled,
)
from tests.support.encoders import unit
from tests.support.serving import problem_of

__all__ = ["filled"]


def ask(filled: Filled, positive: list[str], negative: list[str] = [], **query: object):  # noqa: B006
    body: dict[str, object] = {"positive": [{"sop_instance_uid": uid} for uid in positive]}
    if negative:
        body["negative"] = [{"sop_instance_uid": uid} for uid in negative]
    return filled.client.post("/v1/search", json=body, params=query)


def expected(filled: Filled, positive: list[str], negative: list[str]) -> Iterator[str]:
    """What NumPy finds: nearest first, other patients only."""
    known = {made.sop_instance_uid: made for made in filled.embedded}
    target = rocchio(
        [known[uid].coordinates[0] for uid in positive],  # type: ignore[index]
        [known[uid].coordinates[0] for uid in negative],  # type: ignore[index]
    )
    out = {known[uid].patient for uid in (*positive, *negative)}
    others = [made for made in filled.embedded if made.patient not in out]
    others.sort(key=lambda made: float(np.linalg.norm(made.coordinates[0] - target)))  # type: ignore[index]
    return (made.sop_instance_uid for made in others)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("negative", [[], ["8.20", "8.33"]])
def test_what_the_examples_have_in_common_is_found(
    filled: Filled, negative: list[str], exact: bool
) -> None:
    positive = ["8.0", "8.7", "8.12"]
    response = ask(filled, positive, negative, k=30, exact=exact, collapse="none")
    assert response.status_code == 200, response.text
    body = response.json()
    found = [n["sop_instance_uid"] for n in body["neighbours"] if n["sop_instance_uid"] != "9.4"]
    wanted = list(expected(filled, positive, negative))
    assert found == wanted[: len(found)]
    assert len(found) >= 27
    assert body["query"]["by"] == "examples"
    assert [e["sop_instance_uid"] for e in body["query"]["positive"]] == positive
    assert body["query"]["patient"] == "left out"


def test_one_example_is_a_search_for_it(filled: Filled) -> None:
    body = ask(filled, ["8.3"], k=10).json()
    stored = filled.client.get("/v1/instances/8.3/similar", params={"k": 10}).json()
    assert [n["sop_instance_uid"] for n in body["neighbours"]] == [
        n["sop_instance_uid"] for n in stored["neighbours"]
    ]


def test_examples_are_never_found_though_their_patients_may_be(filled: Filled) -> None:
    body = ask(filled, ["8.0", "8.3", "8.0"], ["8.5"], k=500, same_patient=True).json()
    found = {n["sop_instance_uid"] for n in body["neighbours"]}
    assert not found & {"8.0", "8.3", "8.5"}
    assert {"8.1", "8.2", "8.4"} <= found
    assert body["query"]["patient"] == "searched"


def test_a_frame_of_an_example_is_chosen(filled: Filled) -> None:
    body = {"positive": [{"sop_instance_uid": MULTI_FRAME, "frame": 2}]}
    found = filled.client.post("/v1/search", json=body, params={"same_patient": True, "k": 500})
    frames = {
        n["frame"] for n in found.json()["neighbours"] if n["sop_instance_uid"] == MULTI_FRAME
    }
    assert frames == {1, 3}
    body["positive"][0]["frame"] = 4
    assert "no frame 4" in problem_of(filled.client.post("/v1/search", json=body), 422)


def test_filters_hold_for_examples(filled: Filled) -> None:
    body = ask(filled, ["8.0", "8.1"], k=40, modality="MR").json()
    assert {n["modality"] for n in body["neighbours"]} == {"MR"}


@pytest.mark.parametrize(
    ("uid", "status"), [("1.2.3", 404), (PENDING, 409), (UNSUPPORTED, 422), (FAILED, 422)]
)
def test_an_example_without_an_embedding_is_named(filled: Filled, uid: str, status: int) -> None:
    assert uid in problem_of(ask(filled, ["8.0", uid]), status)
    assert uid in problem_of(ask(filled, ["8.0"], [uid]), status)


def test_an_example_on_both_sides_is_named(filled: Filled) -> None:
    words = problem_of(ask(filled, ["8.0", "8.1"], ["8.1"]), 422)
    assert "8.1 is both positive and negative" in words


def test_the_mean_of_unit_vectors_is_made_a_unit_vector() -> None:
    first, second, other = unit(np.random.default_rng(1).normal(size=(3, 24)))
    mean = rocchio([first, second], [])
    assert np.linalg.norm(mean) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(mean, unit((first + second)[None])[0], atol=1e-6)
    away = rocchio([first, second], [other])
    assert away @ other < mean @ other
    np.testing.assert_allclose(
        away, unit((0.75 * (first + second) / 2 - 0.15 * other)[None])[0], atol=1e-6
    )


def test_examples_that_cancel_out_are_refused() -> None:
    from service.errors import InvalidParameter

    one = unit(np.random.default_rng(1).normal(size=(1, 24)))[0]
    with pytest.raises(InvalidParameter, match="cancel out"):
        rocchio([one, -one], [])
