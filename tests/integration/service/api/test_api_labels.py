import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from service.keys import create_key
from tests.integration.service.api.conftest import LABELLED, Filled
from tests.support.galleries import MadeInstance, fill
from tests.support.labels import SCT_GLIOMA
from tests.support.serving import PROBLEM, problem_of
from tests.support.stored import count_rows

INSTANCE = "/v1/instances/1.1/labels"
STUDY = "/v1/studies/1.2.826.1.1/labels"
GLIOMA = {"label": "glioma", "source": "pathology"}
CSV = {"Content-Type": "text/csv; charset=utf-8"}
ServeApi = Callable[..., httpx.Client]


@pytest.fixture
def client(engine: Engine, serve: ServeApi) -> httpx.Client:
    """The API of a gallery with two slices of one study."""
    fill(engine, [MadeInstance("1.1", patient=1), MadeInstance("1.2", patient=1)])
    return serve()


def take_back(client: httpx.Client, path: str, body: object) -> httpx.Response:
    return client.request("DELETE", path, json=body)


def labels(client: httpx.Client, path: str, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(path, params=query)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["labels"]
    return found


def test_a_label_is_recorded_told_and_counts(client: httpx.Client) -> None:
    said = {
        "scheme": "SCT",
        "code": SCT_GLIOMA,
        "source": "report",
        "origin": "RIS",
        "author": "Dr. X",
        "stated_at": "2026-01-02T03:04:05Z",
    }
    posted = client.post(INSTANCE, json=said)
    assert posted.status_code == 201
    body = posted.json()
    assert (body["label"], body["sop_instance_uid"], body["study_instance_uid"]) == (
        "glioma",
        "1.1",
        None,
    )
    assert body["concept"] == {"scheme": "SCT", "code": SCT_GLIOMA, "meaning": "Glioma"}
    assert (body["source"], body["origin"], body["author"]) == ("report", "RIS", "Dr. X")
    assert body["stated_at"] == "2026-01-02T03:04:05Z"
    assert (body["ended_at"], body["is_prediction"], body["recorded_by"]) == (None, False, None)
    assert client.get(INSTANCE).json() == {"in_gallery": True, "labels": [body]}
    assert client.get("/v1/instances/1.1").json()["labels"] == ["glioma"]
    assert labels(client, STUDY) == []


def test_a_re_send_changes_nothing(client: httpx.Client, engine: Engine) -> None:
    first = client.post(STUDY, json=GLIOMA)
    again = client.post(STUDY, json=GLIOMA)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert count_rows(engine, "label") == 1
    assert [one["label"] for one in labels(client, INSTANCE)] == ["glioma"]


def test_a_label_is_added_unless_it_is_to_replace(client: httpx.Client) -> None:
    client.post(INSTANCE, json=GLIOMA)
    client.post(INSTANCE, json={**GLIOMA, "label": "bleed"})
    assert [one["label"] for one in labels(client, INSTANCE)] == ["glioma", "bleed"]
    client.post(INSTANCE, params={"replace": True}, json={**GLIOMA, "label": "cyst"})
    assert [one["label"] for one in labels(client, INSTANCE)] == ["cyst"]
    ended = labels(client, INSTANCE, history=True)[:2]
    assert [one["ended_as"] for one in ended] == ["replaced", "replaced"]


def test_a_label_is_taken_back_with_a_reason(client: httpx.Client) -> None:
    number = client.post(STUDY, json=GLIOMA).json()["label_id"]
    gone = take_back(client, f"{STUDY}/{number}", {"reason": "other study"})
    assert gone.status_code == 200
    assert (gone.json()["ended_as"], gone.json()["ended_because"]) == ("withdrawn", "other study")
    assert take_back(client, f"{STUDY}/{number}", {"reason": "x"}).json() == gone.json()
    assert labels(client, STUDY) == []
    assert labels(client, STUDY, history=True) == [gone.json()]
    assert client.get("/v1/instances/1.1").json()["labels"] == []


def test_a_label_of_another_subject_is_not_taken_back(client: httpx.Client) -> None:
    number = client.post(STUDY, json=GLIOMA).json()["label_id"]
    reason = {"reason": "x"}
    for path in (f"{INSTANCE}/{number}", f"/v1/studies/1.2/labels/{number}", f"{STUDY}/999999"):
        assert "no label" in problem_of(take_back(client, path, reason), 404)
    problem_of(take_back(client, f"{STUDY}/{number}", {}), 422)
    problem_of(take_back(client, f"{STUDY}/{number}", {"reason": " "}), 422)
    problem_of(client.delete(f"{STUDY}/{2**63}"), 422)
    assert len(labels(client, STUDY)) == 1


def test_labels_may_come_before_their_images(client: httpx.Client, engine: Engine) -> None:
    assert client.post("/v1/instances/7.7/labels", json=GLIOMA).status_code == 201
    assert client.get("/v1/instances/7.7/labels").json()["in_gallery"] is False
    fill(engine, [MadeInstance("7.7", patient=7)])
    assert client.get("/v1/instances/7.7").json()["labels"] == ["glioma"]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"source": "report"}, "a label"),
        ({"label": "x"}, "source"),
        ({"label": "x", "source": "board"}, "source"),
        ({"label": "x", "source": "report", "code": "1"}, "belong together"),
        ({"label": "x", "source": "report", "scheme": "SCT", "code": "393564002"}, "check digit"),
        ({"label": "x\0", "source": "report"}, "one line of text"),
        ({"label": "\ud800", "source": "report"}, ""),
        ({"label": "x", "source": "report", "stated_at": "soon"}, "stated_at"),
        ({"label": "x", "source": "report", "sop_instance_uid": "1.2"}, "sop_instance_uid"),
    ],
)
def test_what_is_no_label_is_refused(
    client: httpx.Client, engine: Engine, body: object, fault: str
) -> None:
    headers = {"Content-Type": "application/json"}
    for path in (INSTANCE, STUDY):
        answer = client.post(path, content=json.dumps(body), headers=headers)
        assert fault in problem_of(answer, 422)
    assert count_rows(engine, "label") == 0


def test_who_wrote_is_the_api_key(engine: Engine, serve: ServeApi) -> None:
    with engine.begin() as connection:
        key = create_key(connection, "tumour board")
    client = serve(demands_key=True)
    problem_of(client.post(STUDY, json=GLIOMA), 401)
    problem_of(client.post("/v1/labels/import", content=b"", headers=CSV), 401)
    client.headers["Authorization"] = f"Bearer {key}"
    body = client.post(STUDY, json=GLIOMA).json()
    assert (body["author"], body["recorded_by"]) == ("tumour board", "tumour board")
    other = client.post(STUDY, json={**GLIOMA, "author": "Dr. X"}).json()
    assert (other["author"], other["recorded_by"]) == ("Dr. X", "tumour board")
    gone = take_back(client, f"{STUDY}/{other['label_id']}", {"reason": "typo"}).json()
    assert gone["ended_by"] == "tumour board"
    client.post("/v1/labels/import", content=b"study_instance_uid,label\n1.9,x\n", headers=CSV)
    (imported,) = labels(client, "/v1/studies/1.9/labels")
    assert imported["recorded_by"] == "tumour board"


def test_the_labels_in_use(filled: Filled) -> None:
    assert filled.client.get("/v1/labels").json() == {
        "labels": [
            {
                "label": "glioma",
                "concept": None,
                "instances": 1,
                "studies": 0,
                "waiting": 0,
                "sources": {"import": 1},
            }
        ]
    }
    (one,) = labels(filled.client, f"/v1/instances/{LABELLED}/labels")
    assert one["origin"] == "board"
    problem_of(filled.client.get("/v1/labels?limit=0"), 422)


def test_a_table_is_imported(client: httpx.Client, engine: Engine) -> None:
    table = b"sop_instance_uid,label,source\n1.1,glioma,report\n7.7,bleed,report\n"
    expected = {"recorded": 2, "replaced": 0, "unchanged": 0, "subjects": 2, "waiting": 1}
    path = "/v1/labels/import"
    trial = client.post(path, params={"dry_run": True}, content=table, headers=CSV)
    assert (trial.status_code, trial.json()) == (200, {**expected, "dry_run": True})
    assert count_rows(engine, "label") == 0
    done = client.post(path, content=table, headers=CSV)
    assert done.json() == {**expected, "dry_run": False}
    again = client.post(path, content=table, headers=CSV).json()
    assert (again["recorded"], again["unchanged"]) == (0, 2)
    assert client.get("/v1/instances/1.1").json()["labels"] == ["glioma"]


def test_a_table_with_bad_lines_is_refused_with_all_of_them(
    client: httpx.Client, engine: Engine
) -> None:
    table = b"sop_instance_uid,label\n1.1,glioma\nWinterbottom,glioma\n1.2,\n"
    answer = client.post("/v1/labels/import", content=table, headers=CSV)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == PROBLEM
    body = answer.json()
    assert (body["status"], body["title"]) == (422, "Labels not imported")
    assert body["fault_count"] == 2
    assert [fault["line"] for fault in body["faults"]] == [3, 4]
    assert "line 3" in body["detail"]
    assert "Winterbottom" not in answer.text
    assert count_rows(engine, "label") == 0


def test_a_large_table_goes_through_a_file(client: httpx.Client, engine: Engine) -> None:
    lines = [f"1.{n},glioma\n".encode() for n in range(150_000)]
    table = [b"sop_instance_uid,label\n", *(b"".join(lines[n::10]) for n in range(10))]
    assert sum(map(len, table)) > 1 << 20
    done = client.post("/v1/labels/import", content=iter(table), headers=CSV)
    assert done.json()["recorded"] == count_rows(engine, "label") == len(lines)


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", ""])
def test_a_table_that_is_no_csv_is_refused(client: httpx.Client, media_type: str) -> None:
    answer = client.post("/v1/labels/import", content=b"x", headers={"Content-Type": media_type})
    assert "text/csv" in problem_of(answer, 415)
    assert "header line" in problem_of(
        client.post("/v1/labels/import", content=b"x", headers=CSV), 422
    )
