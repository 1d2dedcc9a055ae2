"""Decoded frames on their way from the decoding thread to the encoder, never too many of them."""

from collections import deque
from threading import Condition

import numpy as np
from numpy.typing import NDArray

from service.outcomes import Outcome

Pictures = NDArray[np.float32]
Portion = tuple[Outcome, Pictures]


class FrameBuffer:
    """Frames of one batch in order; one thread puts them in and one takes them out.

    It takes more in as long as it holds fewer than `most`.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._portions: deque[Portion] = deque()
        self._count = 0
        self._ended = self._closed = False
        self._error: BaseException | None = None
        self._changed = Condition()

    def put(self, outcome: Outcome, pictures: Pictures) -> bool:
        """Add frames once there is room; False if nobody wants them any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._count < self._most)
            if not self._closed:
                self._portions.append((outcome, pictures))
                self._count += len(pictures)
                self._changed.notify_all()
            return not self._closed

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes; `error` goes to whoever takes."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def take(self, enough: int) -> list[Portion]:
        """Wait for `enough` frames or the end, and take about as many; nothing at the end.

        Raises what `end` was given.
        """
        enough = min(enough, self._most)
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._count >= enough)
            if self._error is not None:
                raise self._error
            taken: list[Portion] = []
            while self._portions and enough > 0:
                taken.append(self._portions.popleft())
                enough -= len(taken[-1][1])
            self._count -= sum(len(pictures) for _, pictures in taken)
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Drop everything and let no more in."""
        with self._changed:
            self._closed = True
            self._portions.clear()
            self._count = 0
            self._changed.notify_all()
