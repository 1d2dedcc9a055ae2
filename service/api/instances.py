"""Routes about one instance: facts, embedding, preview."""

from io import BytesIO
from typing import Annotated

from fastapi import APIRouter, Query, Response
from PIL import Image
from sqlalchemy import select

from service.api.deps import ConnectionDep, ResourcesDep, SopInstanceUid
from service.api.problems import responses
from service.api.schemas import DroppedBody, EmbeddingBody, InstanceBody
from service.db.tables import embedding, instance
from service.decoding import Refusal, render_frame
from service.dropped import find_dropped, why_absent
from service.errors import InstanceUnknown, InvalidParameter, NotSearchable, Unavailable
from service.gallery import find_instance
from service.search.target import find_slice

_PREVIEW_WAIT_S = 5.0

router = APIRouter(prefix="/v1/instances/{sop_instance_uid}", tags=["instances"])

FrameNumber = Annotated[int, Query(ge=1, le=1_000_000, description="1-based, as in DICOM")]


@router.get("", responses=responses(404, 422))
def get_instance(
    sop_instance_uid: SopInstanceUid, connection: ConnectionDep
) -> InstanceBody | DroppedBody:
    """Header facts, state and reason, labels and conflicts of an instance."""
    try:
        return InstanceBody.model_validate(find_instance(connection, sop_instance_uid))
    except InstanceUnknown:
        dropped = find_dropped(connection, sop_instance_uid)
        if dropped is None:
            raise
        return DroppedBody.model_validate(dropped)


@router.get("/embedding", responses=responses(404, 409, 422, 503))
def get_embedding(
    sop_instance_uid: SopInstanceUid,
    connection: ConnectionDep,
    resources: ResourcesDep,
    frame: FrameNumber = 1,
) -> EmbeddingBody:
    """The slice's 4,096 numbers, rebuilt without loss from its coordinates."""
    encoder, found = find_slice(connection, sop_instance_uid, frame)
    coordinates = connection.execute(
        select(embedding.c.coordinates).where(
            embedding.c.encoder_id == encoder.encoder_id,
            embedding.c.instance_id == found.instance_id,
            embedding.c.frame == frame,
        )
    ).scalar_one()
    vector = resources.basis(connection, encoder.encoder_id) @ coordinates
    return EmbeddingBody(
        sop_instance_uid=sop_instance_uid,
        frame=frame,
        encoder=encoder.name,
        embedding=vector.tolist(),
    )


@router.get(
    "/preview",
    responses={200: {"content": {"image/png": {}}}, **responses(404, 422, 503)},
    response_class=Response,
)
def get_preview(
    sop_instance_uid: SopInstanceUid, resources: ResourcesDep, frame: FrameNumber = 1
) -> Response:
    """The slice as a PNG, windowed as its header says."""
    # Decoding may take seconds: the connection goes back to the pool before it.
    with resources.engine.connect() as connection:
        row = connection.execute(
            select(instance.c.file_name, instance.c.frames).where(
                instance.c.sop_instance_uid == sop_instance_uid
            )
        ).one_or_none()
        if row is None:
            raise why_absent(connection, sop_instance_uid)
    if frame > row.frames:
        raise InvalidParameter(f"{sop_instance_uid} has {row.frames} frame(s), not {frame}.")
    if not resources.decoding.acquire(timeout=_PREVIEW_WAIT_S):
        raise Unavailable("Too many previews are being drawn; try again in a moment.")
    try:
        arguments = (resources.store.path(row.file_name), frame)
        (pixels,) = resources.pool.run(render_frame, [arguments])
    finally:
        resources.decoding.release()
    if isinstance(pixels, Refusal):
        raise NotSearchable(f"{sop_instance_uid} cannot be shown: {pixels.reason}")
    image = BytesIO()
    Image.fromarray(pixels).save(image, "PNG")
    return Response(image.getvalue(), media_type="image/png")
