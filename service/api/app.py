"""The FastAPI application, put together from its routes and resources."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request, Response
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
from service.api.problems import add_problem_handlers, problem, responses
from service.settings import is_loopback

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
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


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
    _measure_requests(app, resources)
    if not resources.demands_key:
        _answer_to_own_names_only(app)
    return app


def _answer_to_own_names_only(app: FastAPI) -> None:
    """Without keys, a web page must not reach us by a name that it points at this machine."""

    @app.middleware("http")
    async def refuse_others(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        try:
            host = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
        except ValueError:
            host = ""
        if not is_loopback(host):
            detail = "Without API keys the service answers to localhost and 127.0.0.1 alone."
            return problem(421, "Misdirected request", detail)
        return await call_next(request)


def _add_schema_route(app: FastAPI) -> None:
    @app.get("/openapi.json", include_in_schema=False, dependencies=[Depends(demand_key)])
    def openapi() -> JSONResponse:
        return JSONResponse(app.openapi())


def _measure_requests(app: FastAPI, resources: Resources) -> None:
    @app.middleware("http")
    async def measure(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        started = monotonic()
        response = await call_next(request)
        route = getattr(request.scope.get("route"), "path", "none")
        seconds = monotonic() - started
        # A made-up method would become a series of its own.
        method = request.method if request.method in _METHODS else "other"
        resources.metrics.request(method, route, response.status_code, seconds)
        return response
