"""What routes need: the gallery's connection, the decoding pool, and who may ask."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Annotated

import numpy as np
from fastapi import Depends, Path, Request
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from dicom_node.files import ObjectStore
from service.decoding import DecodePool
from service.encoders.registry import load_basis
from service.errors import NotAuthorised
from service.explaining import EncoderFiles, ExplainPool
from service.keys import is_valid
from service.metrics import ApiMetrics
from service.usual_coordinates import UsualCoordinates


@dataclass
class Resources:
    """What one API process holds for its life; made by `service.api.app`."""

    engine: Engine
    store: ObjectStore
    pool: DecodePool
    metrics: ApiMetrics
    encoder_files: EncoderFiles
    explaining: ExplainPool
    demands_key: bool
    decoding: Lock = field(default_factory=Lock)
    usual: UsualCoordinates = field(default_factory=UsualCoordinates)
    _bases: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    def basis(self, connection: Connection, encoder_id: int) -> NDArray[np.float32]:
        """An encoder's basis, float32 (4096, D), read once."""
        if encoder_id not in self._bases:
            self._bases[encoder_id] = load_basis(connection, encoder_id)
        return self._bases[encoder_id]


def get_resources(request: Request) -> Resources:
    """The process's resources."""
    resources: Resources = request.app.state.resources
    return resources


ResourcesDep = Annotated[Resources, Depends(get_resources)]


def get_connection(resources: ResourcesDep) -> Iterator[Connection]:
    """A connection for the time of one request; nothing that a route does is committed."""
    with resources.engine.connect() as connection:
        yield connection


ConnectionDep = Annotated[Connection, Depends(get_connection)]

SopInstanceUid = Annotated[
    str,
    Path(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=64, description="SOP Instance UID (0008,0018)"),
]


def demand_key(request: Request, resources: ResourcesDep) -> None:
    """Refuse a request without a valid API key where the API is reachable from other machines.

    Raises:
        NotAuthorised: no key, or one that is unknown or revoked.
    """
    if not resources.demands_key:
        return
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise NotAuthorised("Send an API key: `Authorization: Bearer <key>`.")
    with resources.engine.connect() as connection:
        if not is_valid(connection, key.strip()):
            raise NotAuthorised("That API key is unknown or revoked.")
