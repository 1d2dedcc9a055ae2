"""Neighbours with evidence beside them: over HTTP and by command, and never unasked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from dicom_node.files import ObjectStore
from service.decoding import DecodePool
from service.encoders.registry import ActiveEncoder
from tests.integration.service.api.conftest import resources_of
from tests.integration.service.evidence.conftest import Calibrated
from tests.support.commands import shell_on
from tests.support.evidence import labelled_gallery
from tests.support.serving import problem_of, serving

FIRST = "1.2.826.3.4.0"
SIMILAR, EVIDENCE = f"/v1/instances/{FIRST}/similar", f"/v1/instances/{FIRST}/evidence"


@pytest.fixture(scope="module")
def served(
    gallery: Calibrated, decode_pool: DecodePool, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of the API on the calibrated gallery."""
    store = ObjectStore(tmp_path_factory.mktemp("objects"))
    with serving(resources_of(gallery.engine, store, decode_pool)) as made:
        yield made


def told(client: httpx.Client, path: str, **parameters: Any) -> dict[str, Any]:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_nothing_of_it_is_told_unasked(served: httpx.Client) -> None:
    for parameters in ({}, {"evidence": False}):
        body = told(served, SIMILAR, **parameters)
        assert "evidence" not in body
        assert not any("percentile" in neighbour for neighbour in body["neighbours"])
        # What may be null stays where it was.
        assert (body["explanation"], body["query"]["modality"]) == (None, None)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"k": 40, "same_patient": True},
        {"k": 30, "collapse": "patient"},
        {"k": 3, "modality": "MR", "exact": True},
        {"label": "nobody has it"},
        {"explain": True},
    ],
)
def test_the_evidence_is_that_of_its_own_route_whatever_is_filtered(
    served: httpx.Client, gallery: Calibrated, asked: dict[str, Any]
) -> None:
    body = told(served, SIMILAR, evidence=True, **asked)
    assert body["evidence"] == told(served, EVIDENCE)
    assert body["evidence"]["shares"]
    assert body["evidence"]["reliability"]["ece"] >= 0
    percentiles = [neighbour.pop("percentile") for neighbour in body["neighbours"]]
    expected = [gallery.calibration.percentile("CT", n["distance"]) for n in body["neighbours"]]
    assert percentiles == expected == sorted(percentiles)
    plain = told(served, SIMILAR, **asked)
    for name in ("query", "encoder", "method", "complete", "neighbours", "next_cursor"):
        assert body[name] == plain[name]


def test_a_neighbour_has_one_percentile_wherever_it_stands(served: httpx.Client) -> None:
    body = told(served, SIMILAR, evidence=True, collapse="patient", k=50)
    voters = {voter["sop_instance_uid"]: voter for voter in body["evidence"]["neighbours"]}
    assert len(voters) == 50
    for neighbour in body["neighbours"]:
        voter = voters[neighbour["sop_instance_uid"]]
        assert neighbour["percentile"] == voter["percentile"]
        assert neighbour["distance"] == voter["distance"]


def test_pages_go_on_with_evidence_or_without(served: httpx.Client) -> None:
    whole = told(served, SIMILAR, k=12)["neighbours"]
    first = told(served, SIMILAR, k=5, evidence=True)
    second = told(served, SIMILAR, k=7, cursor=first["next_cursor"])
    again = told(served, SIMILAR, k=7, cursor=first["next_cursor"], evidence=True)
    assert second["neighbours"] == whole[5:]
    assert [n["rank"] for n in again["neighbours"]] == list(range(6, 13))
    assert again["evidence"] == first["evidence"]


def test_a_gallery_too_small_to_tell_has_no_percentiles_and_says_why(
    engine: Engine, encoder: ActiveEncoder, client: httpx.Client
) -> None:
    labelled_gallery(engine, encoder, patients=5)
    body = told(client, "/v1/instances/1.2.826.3.2.0/similar", evidence=True)
    assert not any("percentile" in neighbour for neighbour in body["neighbours"])
    assert "index calibrate" in body["evidence"]["remarks"][0]
    assert body["evidence"]["shares"] == []
    problem_of(client.get("/v1/instances/1.2.3/similar?evidence=true"), 404)
    problem_of(client.get("/v1/instances/1.2.826.3.2.0/similar?evidence=2"), 422)


def test_the_command_tells_the_same(
    served: httpx.Client, gallery: Calibrated, tmp_path: Path, checkpoint_file: Path
) -> None:
    url = gallery.engine.url.render_as_string(hide_password=False)
    shell = shell_on(url, tmp_path / "shell", checkpoint_file)
    ended = shell.run("similar", FIRST, "-k", 7, "--evidence", "--json")
    assert ended.code == 0, ended.errors
    assert ended.json() == told(served, SIMILAR, k=7, evidence=True)
    assert shell.run("similar", FIRST, "-k", 7, "--json").json() == told(served, SIMILAR, k=7)
    words = shell.run("similar", FIRST, "--evidence").output
    share = ended.json()["evidence"]["shares"][0]
    assert "not a diagnosis" in words
    assert f"{share['label']}: {share['share']:.2f} of the votes" in words
    assert "Expected calibration error" in words
    assert "percentile" in words
    assert "percentile" not in shell.run("similar", FIRST).output
