import re
from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import Engine

from service import keys
from service.encoders.registry import ActiveEncoder
from tests.support.serving import problem_of

Serve = Callable[..., httpx.Client]

CLOSED = [
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/v1/instances/1.2",
    "/v1/instances/1.2/similar",
    "/v1/instances/1.2/embedding",
    "/v1/instances/1.2/preview",
    "/v1/instances/1.2/similar/1.3/explanation",
    "/v1/instances/1.2/similar?k=0",
    "/v1/instances/no-uid",
    "/v1/node/associations",
]


@pytest.fixture
def key(engine: Engine, encoder: ActiveEncoder) -> str:
    """A valid API key."""
    with engine.begin() as connection:
        return keys.create_key(connection, "viewer")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_without_a_key_only_livez_answers(serve: Serve, key: str) -> None:
    client = serve(demands_key=True)
    assert client.get("/livez").status_code == 200
    for path in CLOSED:
        response = client.get(path)
        assert "API key" in problem_of(response, 401), path
        assert response.headers["www-authenticate"] == "Bearer"


def test_nothing_is_searched_by_without_a_key(serve: Serve, key: str) -> None:
    client = serve(demands_key=True)
    headers = {"Content-Type": "image/png"}
    assert "API key" in problem_of(client.post("/v1/search", content=b"x", headers=headers), 401)
    allowed = client.post("/v1/search", content=b"x", headers={**headers, **bearer(key)})
    problem_of(allowed, 503)


def test_no_route_answers_without_a_key(serve: Serve, key: str) -> None:
    client = serve(demands_key=True)
    paths = client.get("/openapi.json", headers=bearer(key)).json()["paths"]
    closed = [(path, method) for path, of in paths.items() for method in of if path != "/livez"]
    assert len(closed) >= 20
    for path, method in closed:
        response = client.request(method, re.sub(r"{\w+}", "1", path))
        assert "API key" in problem_of(response, 401), (path, method)


def test_with_a_key_all_of_it_answers(serve: Serve, key: str) -> None:
    client = serve(demands_key=True)
    statuses = [client.get(path, headers=bearer(key)).status_code for path in CLOSED]
    assert statuses == [200, 200, 200, 404, 404, 404, 404, 404, 422, 422, 200]
    assert client.get("/readyz", headers={"Authorization": f"bearer   {key}"}).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer\t{key}",
        "Basic {key}",
        "{key}",
        "Bearer {key}x",
        "Bearer x{key}",
        "Bearer ä",
    ],
)
def test_what_is_no_valid_key_is_refused(serve: Serve, key: str, header: str) -> None:
    headers = {b"Authorization": header.format(key=key).encode("latin-1")}
    response = serve(demands_key=True).get("/readyz", headers=headers)
    detail = problem_of(response, 401)
    assert key not in detail


def test_a_key_in_the_url_does_not_count(serve: Serve, key: str) -> None:
    client = serve(demands_key=True)
    problem_of(client.get("/readyz", params={"key": key, "authorization": f"Bearer {key}"}), 401)


def test_a_revoked_key_is_refused_at_once(engine: Engine, serve: Serve, key: str) -> None:
    client = serve(demands_key=True)
    assert client.get("/readyz", headers=bearer(key)).status_code == 200
    with engine.begin() as connection:
        keys.revoke_key(connection, keys.list_keys(connection)[0].api_key_id)
    problem_of(client.get("/readyz", headers=bearer(key)), 401)


def test_on_loopback_no_key_is_asked_for(serve: Serve, encoder: ActiveEncoder) -> None:
    assert serve().get("/readyz").status_code == 200
