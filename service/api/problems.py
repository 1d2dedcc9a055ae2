"""Errors as `application/problem+json` (RFC 9457): a title, a status and what to do."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from service.errors import ServiceError

_LOG = logging.getLogger("precuneus.api")
MEDIA_TYPE = "application/problem+json"
Responses = dict[int | str, dict[str, Any]]


class Problem(BaseModel):
    """What went wrong with a request."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def responses(*statuses: int) -> Responses:
    """OpenAPI's description of a route's error answers."""
    schema = Problem.model_json_schema()
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def problem(
    status: int,
    title: str,
    detail: str,
    headers: dict[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> JSONResponse:
    """An error answer; `members` are added to the usual ones."""
    body = Problem(title=title, status=status, detail=detail).model_dump()
    return JSONResponse(body | dict(members or {}), status, headers=headers, media_type=MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error of `app` as a problem."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(SQLAlchemyError, _database_error)
    app.add_exception_handler(Exception, _unexpected)


async def _service_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ServiceError):
        raise error
    headers = {
        401: {"WWW-Authenticate": "Bearer"},
        409: {"Retry-After": "1"},
        503: {"Retry-After": "5"},
    }
    return problem(
        error.http_status, error.title, str(error), headers.get(error.http_status), error.members
    )


async def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    faults = [f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors()]
    return problem(422, "Invalid parameter", "; ".join(faults))


async def _http_exception(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    title = HTTPStatus(error.status_code).phrase
    return problem(error.status_code, title, str(error.detail), dict(error.headers or {}))


async def _database_error(_request: Request, error: Exception) -> JSONResponse:
    fields = {"action": "database_error", "error": type(error).__name__}
    _LOG.error("the database did not answer", extra=fields)
    detail = "The gallery's database does not answer. `precuneus doctor` says why."
    return problem(503, "Service unavailable", detail, {"Retry-After": "5"})


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _LOG.error("unexpected error", exc_info=error, extra={"action": "unexpected"})
    detail = f"An unexpected {type(error).__name__}; the API's log says where."
    return problem(500, "Internal error", detail)
