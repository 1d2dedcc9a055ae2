"""The route that says why two slices are alike."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, select

from service.api.deps import Resources, ResourcesDep, SopInstanceUid
from service.api.instances import FrameNumber
from service.api.problems import responses
from service.db.tables import instance, series
from service.decoding import Refusal
from service.errors import NotSearchable, Unavailable
from service.explained import GRID, Explained, SliceSide
from service.explaining import EncoderFile, explain
from service.search.target import find_slice
from service.showing import ShownSlice, show_frame

_DECODING_WAIT_S = 5.0

router = APIRouter(
    prefix="/v1/instances/{sop_instance_uid}/similar/{other_sop_instance_uid}", tags=["instances"]
)


class SideBody(BaseModel):
    """One slice's side of the similarity."""

    model_config = ConfigDict(from_attributes=True)

    sop_instance_uid: str
    frame: int
    rows: int
    columns: int
    heat: list[list[float]] = Field(
        description=f"{GRID} rows of {GRID} cells over the whole slice, 0 to 1"
    )
    hottest: tuple[float, float] = Field(description="x and y in pixels of the slice")
    scales: tuple[float, float, float] = Field(
        description="what the features of the original, 1/2 and 1/4 scale add to the similarity"
    )
    constant: float = Field(description="what every slice has; with the scales, the similarity")


class ExplanationBody(BaseModel):
    """Why two slices are alike for the gallery's encoder."""

    encoder: str
    similarity: float = Field(description="cosine, -1 to 1; distance = sqrt(2 - 2 * similarity)")
    slices: tuple[SideBody, SideBody]


_BOTH_FORMS: dict[str, Any] = {
    "description": "Both slices side by side with heat over them, or the heat as numbers",
    "model": ExplanationBody,
    "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
}


@router.get(
    "/explanation",
    responses={200: _BOTH_FORMS, **responses(404, 409, 422, 503)},
    response_class=Response,
)
def get_explanation(
    sop_instance_uid: SopInstanceUid,
    other_sop_instance_uid: SopInstanceUid,
    resources: ResourcesDep,
    frame: FrameNumber = 1,
    other_frame: FrameNumber = 1,
    form: Annotated[
        Literal["png", "json"] | None,
        Query(alias="format", description="unset: what the header Accept asks for, else png"),
    ] = None,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Where in both slices their similarity comes from, as heat.

    It tells what moves this encoder, which need not be a lesion; it is no diagnosis. The picture
    shows the slices themselves.
    """
    asked = ((sop_instance_uid, frame), (other_sop_instance_uid, other_frame))
    # What follows may take seconds: the connection goes back to the pool before it.
    with resources.engine.connect() as connection:
        files = [_file(connection, uid, number) for uid, number in asked]
        encoder = resources.encoder_files.active(connection)
        usual = resources.usual.read(connection, files[0].encoder_id, files[0].modality)
    first, second = _show(resources, files, encoder)
    picture = (form or _preferred(accept)) == "png"
    found = explain(resources.network, encoder.path, first, second, usual, picture=picture)
    if picture:
        return Response(found.png, media_type="image/png")
    return Response(_body(found, asked).model_dump_json(), media_type="application/json")


def _preferred(accept: str) -> Literal["png", "json"]:
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return "json" if "application/json" in kinds and "image/png" not in kinds else "png"


@dataclass(frozen=True)
class _File:
    name: str
    frame: int
    modality: str
    encoder_id: int


def _file(connection: Connection, uid: str, frame: int) -> _File:
    """Where a slice with an embedding is stored; raises as a search for it does."""
    encoder, found = find_slice(connection, uid, frame)
    row = connection.execute(
        select(instance.c.file_name, series.c.modality)
        .join(series)
        .where(instance.c.instance_id == found.instance_id)
    ).one()
    return _File(row.file_name, frame, row.modality, encoder.encoder_id)


def _show(
    resources: Resources, files: list[_File], encoder: EncoderFile
) -> tuple[ShownSlice, ShownSlice]:
    if not resources.decoding.acquire(timeout=_DECODING_WAIT_S):
        raise Unavailable("Too many slices are being drawn; try again in a moment.")
    try:
        paths = [resources.store.path(file.name) for file in files]
        arguments = [
            (path, file.frame, encoder.preprocess) for path, file in zip(paths, files, strict=True)
        ]
        first, second = resources.pool.run(show_frame, arguments)
    finally:
        resources.decoding.release()
    for name, found in (("first", first), ("second", second)):
        if isinstance(found, Refusal):
            raise NotSearchable(f"The {name} slice cannot be shown: {found.reason}")
    return first, second


def _body(found: Explained, asked: tuple[tuple[str, int], tuple[str, int]]) -> ExplanationBody:
    def side(of: SliceSide, uid: str, frame: int) -> SideBody:
        return SideBody(sop_instance_uid=uid, frame=frame, **vars(of))

    return ExplanationBody(
        encoder=found.encoder,
        similarity=found.similarity,
        slices=(side(found.first, *asked[0]), side(found.second, *asked[1])),
    )
