"""Explanations for the API, computed in a process of their own, since the API loads no torch.

The process starts with the first question and ends when none has come for a while. Only a few
questions wait for it; others are told to come again.
"""

import importlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from model.checkpoint import describe
from model.errors import ModelError
from model.preprocess import PreprocessConfig
from service.decoding import DecodePool, Refusal
from service.encoders.files import choose_checkpoint, configured_checkpoint
from service.errors import Unavailable
from service.explained import Explained
from service.settings import EncoderSettings
from service.showing import ShownSlice

# Its name, not the module: an import would bring torch into this process.
_WORK = "service.explaining_process"
_MEMORY_MB = 16384  # of addresses: torch reserves gigabytes of them and uses few
_TIMEOUT_S = 30.0
_IDLE_S = 120.0
_PLACES = 4  # for questions, the one that is being answered among them


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
            raise Unavailable(f"The encoder cannot explain: {error}") from error
        return self._known[path]


class ExplainPool:
    """One process that explains pairs, one at a time; safe to call from several threads."""

    def __init__(
        self, timeout_s: float = _TIMEOUT_S, idle_s: float = _IDLE_S, places: int = _PLACES
    ) -> None:
        self._process = DecodePool(1, timeout_s, _MEMORY_MB)
        self._idle_s = idle_s
        self._places = threading.BoundedSemaphore(places)
        self._turn = threading.Lock()
        self._end: threading.Timer | None = None

    def explain(
        self,
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
        if not self._places.acquire(blocking=False):
            raise Unavailable("Too many explanations are being drawn; try again in a moment.")
        try:
            with self._turn:
                return self._explain(checkpoint, first, second, background, picture)
        finally:
            self._places.release()

    def _explain(self, *question: Any) -> Explained:
        self._stop_timer()
        try:
            # Whoever asked waits: what hung once is not tried again.
            found = self._process.run_alone(_there, (_WORK, *question))
        except ModelError as error:
            raise Unavailable(f"The encoder cannot explain: {error}") from error
        finally:
            self._end = threading.Timer(self._idle_s, self._end_if_idle)
            self._end.daemon = True
            self._end.start()
        if isinstance(found, Refusal):
            raise Unavailable("The explanation did not come to an end; try again in a moment.")
        explained: Explained = found
        return explained

    def _end_if_idle(self) -> None:
        """Give the process's memory back; whoever came first has the turn, and it goes on."""
        if self._turn.acquire(blocking=False):
            try:
                self._process.close()
            finally:
                self._turn.release()

    def _stop_timer(self) -> None:
        if self._end is not None:
            self._end.cancel()

    def close(self) -> None:
        """End the process."""
        with self._turn:
            self._stop_timer()
            self._process.close()


def _there(module: str, *arguments: Any) -> Any:
    """Runs in the process: load what the API must not, and do it."""
    return importlib.import_module(module).explain(*arguments)
