"""Explanations for the API, computed in the network's process, since the API loads no torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from model.checkpoint import describe
from model.errors import ModelError
from model.preprocess import PreprocessConfig
from service.encoders.files import choose_checkpoint, configured_checkpoint
from service.errors import Unavailable
from service.explained import Explained
from service.network_process import NetworkProcess
from service.settings import EncoderSettings
from service.showing import ShownSlice

# Its name, not the module: an import would bring torch into this process.
_WORK = "service.explaining_process"


@dataclass(frozen=True)
class EncoderFile:
    """The gallery's encoder as a file, and how its pictures are prepared."""

    path: Path
    preprocess: PreprocessConfig


class EncoderFiles:
    """Finds the file of the gallery's active encoder."""

    def __init__(self, state_dir: Path, settings: EncoderSettings) -> None:
        self._state_dir = state_dir
        self._settings = settings
        self._known: dict[Path, EncoderFile] = {}

    def active(self, connection: Connection) -> EncoderFile:
        """The file that embedded the gallery.

        Raises:
            EncoderMismatch: it is nowhere.
            Unavailable: it cannot be used by this version.
        """
        try:
            configured = configured_checkpoint(self._settings)
            path = choose_checkpoint(connection, self._state_dir, configured)
            if path not in self._known:
                _, info = describe(path)
                self._known[path] = EncoderFile(path, info.preprocess)
        except ModelError as error:
            raise Unavailable(f"The encoder cannot be used: {error}") from error
        return self._known[path]


def explain(
    network: NetworkProcess,
    checkpoint: Path,
    first: ShownSlice,
    second: ShownSlice,
    background: NDArray[np.float32] | None = None,
    *,
    picture: bool = True,
) -> Explained:
    """Explain a pair by the encoder in a file, in a `picture` too; see `Explainer.explain`.

    Raises:
        Unavailable: too many wait already, it took too long, or the encoder cannot be used.
    """
    try:
        explained: Explained = network.ask(
            _WORK, "explain", checkpoint, first, second, background, picture
        )
    except ModelError as error:
        raise Unavailable(f"The encoder cannot explain: {error}") from error
    return explained
