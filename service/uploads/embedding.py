"""Embeds queries: decodes them in a decoding process, and asks the network in another.

Neither a decoder nor torch runs here, and nothing is written to disk or logged of what is asked.
"""

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import ModelError
from model.placement import Box
from service.decoding import DecodePool, Refusal
from service.errors import Unavailable, UploadUnsearchable
from service.explaining import EncoderFile
from service.network_process import NetworkProcess
from service.uploads.preparing import (
    CtWindow,
    PreparedRegion,
    PreparedUpload,
    prepare_region,
    prepare_upload,
)

# Its name, not the module: an import would bring torch into this process.
_WORK = "service.embedding_process"
_DECODING_WAIT_S = 5.0

Coordinates = NDArray[np.float32]


class QueryEmbedder:
    """Embeds one query after another; safe to call from several threads.

    `pool` is used by whoever holds `decoding`.
    """

    def __init__(self, pool: DecodePool, decoding: Lock, network: NetworkProcess) -> None:
        self._pool = pool
        self._decoding = decoding
        self._network = network

    def upload(
        self,
        data: bytes,
        frame: int,
        encoder: EncoderFile,
        ct_window: CtWindow | None = None,
    ) -> tuple[PreparedUpload, Coordinates]:
        """What an upload is, and the coordinates (D,) of its frame (1-based).

        Raises:
            UploadUnsupported, UploadUnsearchable: it cannot be searched by; see `prepare_upload`.
            Unavailable: too many ask already, or the encoder cannot be used.
        """
        prepared: PreparedUpload = self._decode(
            prepare_upload, data, frame, encoder.preprocess, ct_window
        )
        return prepared, self._embed(encoder, prepared.picture, None)

    def region(self, path: Path, frame: int, box: Box, encoder: EncoderFile) -> Coordinates:
        """The coordinates (D,) of a box of a stored object's frame; see `prepare_region`.

        Raises:
            UploadUnsearchable: the box cannot be searched by.
            Unavailable: as above, or the file cannot be read.
        """
        prepared: PreparedRegion = self._decode(
            prepare_region, path, frame, box, encoder.preprocess
        )
        return self._embed(encoder, prepared.picture, prepared.box)

    def _decode(self, function: Any, *arguments: Any) -> Any:
        if not self._decoding.acquire(timeout=_DECODING_WAIT_S):
            raise Unavailable("Too many slices are being decoded; try again in a moment.")
        try:
            found = self._pool.run_alone(function, arguments)
        finally:
            self._decoding.release()
        if isinstance(found, Refusal):
            raise UploadUnsearchable(f"It cannot be searched by: {found.reason}.")
        return found

    def _embed(
        self, encoder: EncoderFile, picture: NDArray[np.float32], box: Box | None
    ) -> Coordinates:
        try:
            found: Coordinates = self._network.ask(_WORK, "embed", encoder.path, picture, box)
        except ModelError as error:
            raise Unavailable(f"The encoder cannot embed: {error}") from error
        return found
