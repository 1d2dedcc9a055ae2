from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text

from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.receive import Receiver
from service.encoders.registry import ActiveEncoder
from service.search.filters import Filters
from tests.integration.service.api.conftest import Filled
from tests.support.databases import away
from tests.support.galleries import MadeInstance, fill
from tests.support.objects import ct_dataset, write_file
from tests.support.serving import problem_of

Serve = Callable[..., httpx.Client]


def test_alive(filled: Filled) -> None:
    assert filled.client.get("/livez").json() == {"status": "alive"}


def test_ready(filled: Filled) -> None:
    response = filled.client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "checks": {"database": "ok", "migrations": "ok", "encoder": "ok"},
    }


def test_not_ready_without_an_encoder(serve: Serve) -> None:
    response = serve().get("/readyz")
    assert response.status_code == 503
    assert response.json()["status"] == "not ready"
    assert "worker" in response.json()["checks"]["encoder"]


@pytest.mark.parametrize(
    "statement", ["DROP TABLE alembic_version", "UPDATE alembic_version SET version_num = 'old'"]
)
def test_not_ready_before_the_migrations(
    engine: Engine, encoder: ActiveEncoder, serve: Serve, statement: str
) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))
    response = serve().get("/readyz")
    assert response.status_code == 503
    checks = response.json()["checks"]
    assert checks["database"] == "ok"
    assert "db upgrade" in checks["migrations"]


def test_without_a_database_nothing_answers_but_livez(
    encoder: ActiveEncoder, serve: Serve, cluster_url: str, database_url: str
) -> None:
    client = serve()
    assert client.get("/readyz").status_code == 200
    with away(cluster_url, database_url):
        assert client.get("/livez").status_code == 200
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["checks"]["database"] == "does not answer"
        for path in ("/metrics", *(f"/v1/instances/1.2{r}" for r in ("", "/similar", "/preview"))):
            response = client.get(path)
            assert "database" in problem_of(response, 503)
            assert response.headers["retry-after"] == "5"
    # Afterwards the same process answers again.
    assert client.get("/readyz").status_code == 200
    problem_of(client.get("/v1/instances/1.2"), 404)


def test_metrics_are_what_prometheus_reads(filled: Filled) -> None:
    response = filled.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }
    assert samples["precuneus_instances", "embedded"] == 41
    # The one that waits, and the stored slice.
    assert samples["precuneus_instances", "pending"] == 2
    assert samples["precuneus_instances", "unsupported"] == 1
    assert samples["precuneus_instances", "failed"] == 1
    assert samples["precuneus_jobs",] == 2
    assert samples["precuneus_conflicts",] == 1


def references(node: Any) -> Iterator[str]:
    """Every $ref of a schema."""
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref")
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_schema_describes_every_route(filled: Filled) -> None:
    schema = filled.client.get("/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    instance = "/v1/instances/{sop_instance_uid}"
    study = "/v1/studies/{study_instance_uid}"
    of_instance = ("similar", "embedding", "preview", "evidence")
    routes = {instance, *(f"{instance}/{route}" for route in of_instance)}
    routes.add(f"{instance}/similar/{{other_sop_instance_uid}}/explanation")
    routes |= {f"{study}/similar", f"{study}/series/{{series_instance_uid}}/similar"}
    others = {"/livez", "/readyz", "/metrics", "/v1/node/associations"}
    others |= {"/v1/search", "/v1/labels", "/v1/labels/import"}
    said = {f"{of}/labels" for of in (instance, study)}
    taken_back = {f"{of}/{{label_id}}" for of in said}
    assert set(schema["paths"]) == {*others, *routes, *said, *taken_back}
    assert set(schema["paths"]["/v1/search"]) == {"post"}
    assert all(set(schema["paths"][route]) == {"get", "post"} for route in said)
    assert all(set(schema["paths"][route]) == {"delete"} for route in taken_back)
    for reference in references(schema):
        node = schema
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    for route in routes:
        (method,) = schema["paths"][route]
        assert method == "get"
        answers = schema["paths"][route]["get"]["responses"]
        assert {"200", "404", "422"} <= set(answers)
        assert "application/problem+json" in answers["404"]["content"]
    names = {p["name"] for p in schema["paths"][f"{instance}/similar"]["get"]["parameters"]}
    ways = {"same_patient", "exact", "collapse", "method", "explain", "evidence", "cursor"}
    filters = {field.name for field in fields(Filters)}
    assert names == {"sop_instance_uid", "k", "frame"} | ways | filters


def damage_by(path: Path, kind: str) -> None:
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "garbage":
        path.write_bytes(b"\0" * 5000)
    elif kind == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()


@pytest.mark.parametrize("kind", ["cut", "garbage", "empty", "missing"])
def test_a_stored_file_that_was_damaged_is_a_problem(
    take: Receiver, store: ObjectStore, serve: Serve, tmp_path: Path, kind: str
) -> None:
    _, header = import_file(take, write_file(tmp_path / "a.dcm", ct_dataset()))
    client = serve()
    url = f"/v1/instances/{header.sop_instance_uid}/preview"
    assert client.get(url).status_code == 200
    damage_by(store.path(next(store.names())), kind)
    assert "cannot be shown" in problem_of(client.get(url), 422)


def test_an_error_that_nobody_foresaw_is_a_problem_without_its_text(
    engine: Engine, encoder: ActiveEncoder, serve: Serve
) -> None:
    made = MadeInstance("1.2", coordinates=np.eye(1, encoder.dimension, dtype=np.float32))
    fill(engine, [made], encoder)
    client = serve()
    with engine.begin() as connection:
        connection.execute(text("UPDATE encoder SET basis = 'broken'"))
    detail = problem_of(client.get("/v1/instances/1.2/embedding"), 500)
    assert detail == "An unexpected ValueError; the API's log says where."
