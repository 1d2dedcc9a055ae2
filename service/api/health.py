"""Routes for machines that watch the service."""

from fastapi import APIRouter, Depends, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from service.api.deps import ResourcesDep, demand_key
from service.api.schemas import HealthBody
from service.db.migrate import current_revision, head_revision
from service.encoders.registry import find_active
from service.metrics import exposition

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers; says nothing of the gallery and needs no key."""
    return {"status": "alive"}


@router.get("/readyz", dependencies=[Depends(demand_key)])
def readyz(resources: ResourcesDep, response: Response) -> HealthBody:
    """Whether database, migrations and encoder are ready; 503 when one is not."""
    checks = {"database": "ok", "migrations": "ok", "encoder": "ok"}
    try:
        with resources.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            if current_revision(connection) != head_revision():
                checks["migrations"] = "behind: run `precuneus db upgrade`"
            elif find_active(connection) is None:
                checks["encoder"] = "none active: start `precuneus worker run`"
    except SQLAlchemyError:
        checks = dict.fromkeys(checks, "unknown") | {"database": "does not answer"}
    ready = set(checks.values()) == {"ok"}
    if not ready:
        response.status_code = 503
    return HealthBody(status="ready" if ready else "not ready", checks=checks)


@router.get("/metrics", dependencies=[Depends(demand_key)])
def metrics(resources: ResourcesDep) -> Response:
    """All metrics of the node, the workers and the API in Prometheus' text format."""
    return Response(exposition(resources.engine), media_type="text/plain; version=0.0.4")
