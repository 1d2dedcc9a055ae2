"""The FastAPI application, put together from its routes and resources."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse

from service.api import (
    associations,
    evidence,
    explanations,
    health,
    instances,
    label_import,
    labels,
    search,
    similar,
    studies,
)
from service.api.deps import Resources, demand_key
from service.api.middleware import MeasuredRequests, OwnNamesOnly
from service.api.problems import add_problem_handlers, responses

_KEYED = (
    instances,
    similar,
    search,
    evidence,
    studies,
    explanations,
    associations,
    labels,
    label_import,
)


def create_app(resources: Resources) -> FastAPI:
    """The application; `resources` lives as long as it does, and its processes end with it.

    The interactive documentation pages are left out: they would load scripts from the internet,
    which a hospital's network does not reach. The schema is at /openapi.json.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        resources.pool.close()
        resources.network.close()
        resources.searches.close()

    app = FastAPI(
        title="Precuneus",
        summary="Finds brain CT and MR slices similar to a given one in a hospital's own archive.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.resources = resources
    app.include_router(health.router)
    for routes in _KEYED:
        app.include_router(
            routes.router, dependencies=[Depends(demand_key)], responses=responses(401)
        )
    add_problem_handlers(app)
    _add_schema_route(app)
    app.add_middleware(MeasuredRequests, metrics=resources.metrics)
    if not resources.demands_key:
        app.add_middleware(OwnNamesOnly)
    return app


def _add_schema_route(app: FastAPI) -> None:
    @app.get("/openapi.json", include_in_schema=False, dependencies=[Depends(demand_key)])
    def openapi() -> JSONResponse:
        return JSONResponse(app.openapi())
