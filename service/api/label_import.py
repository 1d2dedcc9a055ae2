"""The route that takes a table of labels; the body goes to a file, so memory stays bounded."""

from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.api.deps import CallerDep, ResourcesDep
from service.api.label_schemas import ImportBody
from service.api.problems import responses
from service.errors import UploadIncomplete
from service.labels.importing import check_size, import_labels

_IN_MEMORY = 1 << 20
_NAME = "the table"

router = APIRouter(prefix="/v1/labels", tags=["labels"])


async def get_table(request: Request, resources: ResourcesDep) -> AsyncIterator[IO[bytes]]:
    """The request's body as a file; an announced size is refused before the first byte is read.

    Raises:
        HTTPException: it is no CSV.
        TableTooLarge: it has more bytes than the settings allow.
        UploadIncomplete: the sender is gone.
    """
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "text/csv":
        raise HTTPException(415, "Send the table as text/csv.")
    announced = request.headers.get("Content-Length", "")
    check_size(int(announced[:20]) if announced.isdecimal() else 0, _NAME, resources.labels)
    with SpooledTemporaryFile(_IN_MEMORY) as file:
        try:
            async for chunk in request.stream():
                file.write(chunk)
                check_size(file.tell(), _NAME, resources.labels)
        except ClientDisconnect:
            raise UploadIncomplete("The table ended early; nothing of it is recorded.") from None
        file.seek(0)
        yield file


@router.post(
    "/import",
    responses=responses(408, 413, 415, 422, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"text/csv": {"schema": {"type": "string"}}},
        }
    },
)
def post_labels(
    table: Annotated[IO[bytes], Depends(get_table)],
    resources: ResourcesDep,
    caller: CallerDep,
    dry_run: Annotated[bool, Query(description="say what would be, and record nothing")] = False,
) -> ImportBody:
    """Record a table of labels, all of it or nothing; a problem lists all bad lines."""
    with resources.engine.connect() as connection:
        report = import_labels(connection, table, _NAME, resources.labels, recorded_by=caller)
        if dry_run:
            connection.rollback()
        else:
            connection.commit()
    return ImportBody.of(report, dry_run=dry_run)
