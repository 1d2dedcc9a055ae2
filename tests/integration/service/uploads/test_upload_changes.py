"""What happens to a query while it is being embedded: no connection is held, no encoder mixed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import create_engine, update

from model.checkpoint import load
from model.embedder import Embedder
from service.db.tables import encoder
from service.decoding import DecodePool
from service.embedders import describe_encoder
from service.encoders.files import keep_checkpoint
from service.encoders.partitions import create_index, create_partition
from service.encoders.registry import register
from service.explaining import EncoderFile
from service.uploads.answering import Wanted
from service.uploads.embedding import QueryEmbedder
from service.uploads.preparing import CtWindow, PreparedUpload
from tests.support.databases import fresh_database
from tests.support.encoders import tiny_checkpoint
from tests.support.uploads import UploadGallery, dicom_bytes, upload_gallery


class WatchedQueryEmbedder(QueryEmbedder):
    """Embeds as ever, and calls `meanwhile` before it answers."""

    def __init__(self, gallery: UploadGallery, meanwhile: Callable[[], None]) -> None:
        resources = gallery.resources
        super().__init__(resources.pool, resources.decoding, resources.network)
        self._meanwhile = meanwhile

    def upload(
        self,
        data: bytes,
        frame: int,
        encoder: EncoderFile,
        ct_window: CtWindow | None = None,
    ) -> tuple[PreparedUpload, NDArray[np.float32]]:
        """As it is, after `meanwhile`."""
        found = super().upload(data, frame, encoder, ct_window)
        self._meanwhile()
        return found


@pytest.fixture
def own(cluster_url: str, tmp_path: Path, decode_pool: DecodePool) -> Iterator[UploadGallery]:
    """A gallery that a test may change."""
    with fresh_database(cluster_url) as url:
        engine = create_engine(url)
        with upload_gallery(engine, url, tmp_path / "state", decode_pool) as made:
            yield made
        engine.dispose()


def test_no_connection_is_held_while_a_query_is_embedded(own: UploadGallery) -> None:
    held: list[int] = []
    embedder = WatchedQueryEmbedder(own, lambda: held.append(own.engine.pool.checkedout()))  # type: ignore[attr-defined]
    queries = replace(own.resources.queries, embedder=embedder)
    queries.by_upload(dicom_bytes(own.slices[0]), 1, Wanted())
    assert held == [0]


def test_an_answer_is_of_the_encoder_that_embedded_the_query(own: UploadGallery) -> None:
    state = own.resources.store.path("").parent
    other = tiny_checkpoint(state / "other", mirrored=False)
    keep_checkpoint(state, other)
    checkpoint = load(other)
    with own.engine.begin() as connection:
        second = register(connection, describe_encoder(Embedder(checkpoint), checkpoint.info))
        create_partition(connection, second.encoder_id, second.dimension)
        create_index(connection, second.encoder_id, second.dimension)
    changed: list[bool] = []

    def activate() -> None:
        if not changed:
            with own.engine.begin() as connection:
                connection.execute(update(encoder).values(state="ready"))
                mine = encoder.c.encoder_id == second.encoder_id
                connection.execute(update(encoder).where(mine).values(state="active"))
        changed.append(True)

    queries = replace(own.resources.queries, embedder=WatchedQueryEmbedder(own, activate))
    answer = queries.by_upload(dicom_bytes(own.slices[0]), 1, Wanted())
    # Asked once more of the new encoder, which has embedded nothing yet.
    assert len(changed) == 2
    assert answer.encoder == second
    assert answer.found.neighbours == []
