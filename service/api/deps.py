"""What routes need: the gallery's connection, the decoding pool, and who may ask.

What waits for nothing is a coroutine: a function would cost a change of threads each.
"""

from asyncio import Semaphore
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Annotated

import numpy as np
from anyio import CancelScope
from fastapi import Depends, Path, Request
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, QueuePool
from starlette.concurrency import run_in_threadpool

from dicom_node.files import ObjectStore
from service.api.uploading import UploadGate
from service.db.replicas import Readers
from service.decoding import DecodePool
from service.encoders.registry import load_basis
from service.errors import NotAuthorised
from service.explaining import EncoderFiles
from service.keys import name_of
from service.metrics import ApiMetrics
from service.network_process import NetworkProcess
from service.patients import PatientKeyer
from service.settings import HttpSettings, LabelSettings
from service.uploads.embedding import QueryEmbedder
from service.uploads.searching import QuerySearch
from service.usual_coordinates import UsualCoordinates


@dataclass
class Resources:
    """What one API process holds for its life; made by `service.api.app`."""

    engine: Engine
    store: ObjectStore
    pool: DecodePool
    metrics: ApiMetrics
    keyer: PatientKeyer
    encoder_files: EncoderFiles
    network: NetworkProcess
    demands_key: bool
    uploads: UploadGate = field(default_factory=lambda: UploadGate(HttpSettings()))
    decoding: Lock = field(default_factory=Lock)
    usual: UsualCoordinates = field(default_factory=UsualCoordinates)
    labels: LabelSettings = field(default_factory=LabelSettings)
    standbys: tuple[Engine, ...] = ()
    maximum_staleness_s: float = 10.0
    searches: Readers = field(init=False)
    connections: Semaphore = field(init=False)
    _bases: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.searches = Readers(self.engine, self.standbys, self.maximum_staleness_s)
        pool = self.engine.pool
        # Less than the pool may have with its overflow, which is left to what asks it in threads.
        self.connections = Semaphore(pool.size() if isinstance(pool, QueuePool) else 1)

    @property
    def queries(self) -> QuerySearch:
        """Searches by uploads, regions and examples."""
        embedder = QueryEmbedder(self.pool, self.decoding, self.network)
        return QuerySearch(self.searches, self.store, self.keyer, self.encoder_files, embedder)

    def basis(self, connection: Connection, encoder_id: int) -> NDArray[np.float32]:
        """An encoder's basis, float32 (4096, D), read once."""
        if encoder_id not in self._bases:
            self._bases[encoder_id] = load_basis(connection, encoder_id)
        return self._bases[encoder_id]


async def get_resources(request: Request) -> Resources:
    """The process's resources."""
    resources: Resources = request.app.state.resources
    return resources


ResourcesDep = Annotated[Resources, Depends(get_resources)]


async def get_connection(resources: ResourcesDep) -> AsyncIterator[Connection]:
    """A connection for the time of one request; nothing that a route does is committed.

    Requests beyond a number wait here without a thread: threads that all wait for connections would
    leave none to the routes that hold them.
    """
    async with resources.connections:
        connection = await run_in_threadpool(resources.engine.connect)
        try:
            yield connection
        finally:
            with CancelScope(shield=True):
                await run_in_threadpool(connection.close)


# Given back before the answer is sent, however slowly that is read.
ConnectionDep = Annotated[Connection, Depends(get_connection, scope="function")]

_UID = r"^[0-9]+(\.[0-9]+)*$"


async def get_searches(resources: ResourcesDep) -> Readers:
    """Where searches run: on a standby that is recent enough, or on the primary."""
    return resources.searches


SearchesDep = Annotated[Readers, Depends(get_searches)]

SopInstanceUid = Annotated[
    str, Path(pattern=_UID, max_length=64, description="SOP Instance UID (0008,0018)")
]
StudyInstanceUid = Annotated[
    str, Path(pattern=_UID, max_length=64, description="Study Instance UID (0020,000D)")
]


async def demand_key(request: Request, resources: ResourcesDep) -> None:
    """Refuse a request without a valid API key where the API is reachable from other machines.

    The key's name is noted for `get_caller`.

    Raises:
        NotAuthorised: no key, or one that is unknown or revoked.
    """
    if not resources.demands_key:
        return
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise NotAuthorised("Send an API key: `Authorization: Bearer <key>`.")
    name = await run_in_threadpool(_name_of, resources.engine, key.strip())
    if name is None:
        raise NotAuthorised("That API key is unknown or revoked.")
    request.state.api_key_name = name


def _name_of(engine: Engine, key: str) -> str | None:
    with engine.connect() as connection:
        return name_of(connection, key)


async def get_caller(request: Request) -> str | None:
    """The name of the API key that the request came with; None where no key is demanded."""
    name: str | None = getattr(request.state, "api_key_name", None)
    return name


CallerDep = Annotated[str | None, Depends(get_caller)]
