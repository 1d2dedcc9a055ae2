"""A process of its own for the network, since the API loads no torch: it answers questions.

It starts with the first question and ends when none has come for a while. Only a few questions
wait for it; others are told to come again.
"""

import importlib
import threading
from typing import Any

from service.decoding import DecodePool, Refusal
from service.errors import Unavailable

_MEMORY_MB = 16384  # of addresses: torch reserves gigabytes of them and uses few
_TIMEOUT_S = 30.0
_IDLE_S = 300.0
_TOO_MANY = "The encoder has too many questions to answer; try again in a moment."
_PLACES = 8  # for questions, the one that is being answered among them


class NetworkProcess:
    """One process that answers questions, one at a time; safe to call from several threads."""

    def __init__(
        self, timeout_s: float = _TIMEOUT_S, idle_s: float = _IDLE_S, places: int = _PLACES
    ) -> None:
        self._process = DecodePool(1, timeout_s, _MEMORY_MB)
        self._idle_s = idle_s
        self._places = threading.BoundedSemaphore(places)
        self._turn = threading.Lock()
        self._end: threading.Timer | None = None

    def ask(self, module: str, function: str, *question: Any) -> Any:
        """What a function of a module answers there; named, since importing it would bring torch.

        Raises:
            Unavailable: too many wait already, or it took too long or crashed.
            ModelError: as the function raises it.
        """
        if not self._places.acquire(blocking=False):
            raise Unavailable(_TOO_MANY)
        try:
            with self._turn:
                return self._ask(module, function, question)
        finally:
            self._places.release()

    def _ask(self, module: str, function: str, question: tuple[Any, ...]) -> Any:
        self._stop_timer()
        try:
            # Whoever asked waits: what hung once is not tried again.
            found = self._process.run_alone(_there, (module, function, *question))
        finally:
            self._end = threading.Timer(self._idle_s, self._end_if_idle)
            self._end.daemon = True
            self._end.start()
        if isinstance(found, Refusal):
            raise Unavailable("The encoder did not come to an end; try again in a moment.")
        return found

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


def _there(module: str, function: str, *question: Any) -> Any:
    """Runs in the process: load what the API must not, and do it."""
    return getattr(importlib.import_module(module), function)(*question)
