"""The route about who came to the node."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from tests.support.association_records import AT, made_record, write
from tests.support.databases import away
from tests.support.serving import problem_of

PATH = "/v1/node/associations"
Serve = Callable[..., httpx.Client]
WRONG = "called AE title was X, ours is PRECUNEUS"


def page(client: httpx.Client, **parameters: Any) -> dict[str, Any]:
    response = client.get(PATH, params=parameters)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def test_a_line_tells_who_when_and_why(engine: Engine, serve: Serve) -> None:
    write(
        engine,
        made_record(
            outcome="rejected",
            reason=WRONG,
            called_ae_title="X",
            tls="TLSv1.3",
            tls_certificate_sha256="ab" * 32,
            answers={},
            accepted_contexts=0,
        ),
    )
    body = page(serve())
    assert body["next_cursor"] is None
    (line,) = body["associations"]
    line.pop("association_id")
    assert line == {
        "started_at": "2024-01-31T12:00:30Z",
        "ended_at": "2024-01-31T12:00:32Z",
        "seconds": 2.0,
        "outcome": "rejected",
        "address": "10.1.2.3",
        "calling_ae_title": "MODALITY",
        "called_ae_title": "X",
        "tls": "TLSv1.3",
        "tls_certificate_sha256": "ab" * 32,
        "connections": 1,
        "reason": WRONG,
        "accepted_contexts": 0,
        "refused_contexts": 0,
        "first_refused_contexts": [],
        "answers": {},
        "failed_answers": 0,
        "received_bytes": 1000,
        "words": WRONG,
    }


def test_pages_follow_their_cursor_to_the_end(engine: Engine, serve: Serve) -> None:
    made = [made_record(started_at=AT + timedelta(seconds=n // 2)) for n in range(9)]
    write(engine, *made)
    client, sizes, found, cursor = serve(), [], [], None
    while True:
        body = page(client, limit=3, **({"cursor": cursor} if cursor else {}))
        sizes.append(len(body["associations"]))
        found += [line["association_id"] for line in body["associations"]]
        cursor = body["next_cursor"]
        if cursor is None:
            break
        # Who comes meanwhile does not shift the pages.
        write(engine, made_record(started_at=AT + timedelta(hours=1)))
    assert sizes == [3, 3, 3]
    order = sorted(made, key=lambda r: (r.started_at, r.association_id), reverse=True)
    assert found == [str(record.association_id) for record in order]


def test_filters(engine: Engine, serve: Serve) -> None:
    running = made_record(outcome="running", ended_at=None, calling_ae_title="RUNNING")
    rejected = made_record(outcome="rejected", calling_ae_title="PACS 1")
    write(engine, made_record(), running, rejected)
    client = serve()

    def titles(**parameters: Any) -> list[str]:
        return [line["calling_ae_title"] for line in page(client, **parameters)["associations"]]

    assert len(titles()) == 3
    assert titles(outcome="rejected") == titles(refused=True) == ["PACS 1"]
    assert titles(calling_ae_title="PACS 1") == ["PACS 1"]
    assert titles(since="2024-02-01T00:00:00+01:00") == ["RUNNING"]
    (still_there,) = page(client, outcome="running")["associations"]
    assert (still_there["ended_at"], still_there["seconds"]) == (None, None)


@pytest.mark.parametrize(
    "parameters",
    [
        *("limit=0", "limit=1001", "limit=x", "outcome=accepted", "refused=perhaps"),
        *("since=yesterday", "since=2024-01-31T12:00:00", "since=%00"),
        *("calling_ae_title=", "calling_ae_title=12345678901234567", "calling_ae_title=a%00b"),
        *("cursor=", "cursor=x", "cursor=%00", "cursor=" + "A" * 201, "cursor=MjAyNA"),
    ],
)
def test_a_parameter_that_means_nothing_is_refused(serve: Serve, parameters: str) -> None:
    detail = problem_of(serve().get(f"{PATH}?{parameters}"), 422)
    assert parameters.partition("=")[0] in detail


def test_while_the_database_is_away_it_says_so(
    serve: Serve, cluster_url: str, database_url: str
) -> None:
    client = serve()
    with away(cluster_url, database_url):
        assert "database" in problem_of(client.get(PATH), 503)
    assert page(client)["associations"] == []
