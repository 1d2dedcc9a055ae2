"""Decoding and preprocessing in processes of their own, where foreign bytes can do little harm.

A decoder that crashes, hangs or eats memory takes its process with it; the pool starts a new one
and tries what was under way one by one, so that a single object is blamed. No torch here.
"""

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dicom_node.errors import PixelsFailed, PixelsUnsupported, StoredFileUnreadable
from dicom_node.geometry import plane_of
from dicom_node.pixels import Frame, iter_frames, render
from model.preprocess import PreprocessConfig, prepare
from service.decoding_process import decoding_processes

FRAMES_PER_TASK = 64
_TASKS_AHEAD = 32
# One message to a process and one back cost as much as reading a slice does.
_TASKS_TOGETHER = 4
_REFUSED = (PixelsUnsupported, PixelsFailed, StoredFileUnreadable, MemoryError)
_LOG = logging.getLogger("precuneus.decoding")


@dataclass(frozen=True)
class Task:
    """A run of frames of one object, `start` to `stop` (0-based, exclusive)."""

    path: Path
    start: int
    stop: int


@dataclass(frozen=True)
class Refusal:
    """Why an object has no embedding: `state` is `unsupported` or `failed`.

    `blame` says what is at fault: the object itself, perhaps the machine (a decoder that crashed,
    hung or ran out of memory may have met a busy machine), or surely the disk.
    """

    state: str
    reason: str
    blame: Literal["object", "perhaps machine", "disk"] = "object"


@dataclass(frozen=True)
class Prepared:
    """A run of frames: the encoder's input, (N, S, S), and their planes, None where unknown."""

    pictures: NDArray[np.float32]
    planes: tuple[str | None, ...]


@dataclass(frozen=True)
class Opening:
    """How many frames an object has, and the first of them."""

    frames: int
    first: "Prepared"


def prepare_opening(path: Path, config: PreprocessConfig) -> Opening | Refusal:
    """The first frames of an object, as many as a task takes (runs in a decoding process).

    Mostly that is all of them: one look into the file does.
    """
    opening = _prepare(Task(path, 0, FRAMES_PER_TASK), config)
    return opening if isinstance(opening, Refusal) else Opening(*opening)


def prepare_frames(task: Task, config: PreprocessConfig) -> Prepared | Refusal:
    """A run of frames of an object (runs in a decoding process)."""
    found = _prepare(task, config)
    return found if isinstance(found, Refusal) else found[1]


def _prepare(task: Task, config: PreprocessConfig) -> tuple[int, Prepared] | Refusal:
    """How many frames the object has, and those of the task."""
    total, pictures, planes = 0, [], []
    try:
        for frame in iter_frames(task.path, task.start, task.stop):
            total = frame.total
            pictures.append(picture_of(frame, config))
            planes.append(plane_of(frame.geometry))
        return total, Prepared(np.stack(pictures), tuple(planes))
    except _REFUSED as error:
        return _refusal(error)


def picture_of(frame: Frame, config: PreprocessConfig) -> NDArray[np.float32]:
    """The encoder's input for a frame, (S, S)."""
    return prepare(
        frame.pixels,
        modality=scale_of(frame),
        config=config,
        orientation=frame.geometry.orientation,
        spacing=frame.geometry.spacing,
    )


def scale_of(frame: Frame) -> str:
    """The modality to scale as: a CT that is not in HU (a localiser, a screenshot) is no CT."""
    return "OT" if frame.modality == "CT" and not frame.is_hu else frame.modality


def render_frame(path: Path, number: int) -> NDArray[np.uint8] | Refusal:
    """Frame `number` (1-based) as shown on a screen, (H, W) (runs in a decoding process)."""
    try:
        for frame in iter_frames(path, number - 1, number):
            return render(frame)
        return Refusal("failed", f"it has no frame {number}")
    except _REFUSED as error:
        return _refusal(error)


def _refusal(error: Exception) -> Refusal:
    if isinstance(error, MemoryError):
        reason = "decoding needs more memory than a decoding process may take"
        return Refusal("failed", reason, "perhaps machine")
    if isinstance(error, StoredFileUnreadable):
        return Refusal("failed", str(error), "disk")
    return Refusal("unsupported" if isinstance(error, PixelsUnsupported) else "failed", str(error))


def _each(function: Any, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Several calls, one after the other (runs in a decoding process)."""
    return [function(*some) for some in arguments]


class DecodePool:
    """A pool of decoding processes that survives whatever it is fed."""

    def __init__(self, processes: int, timeout_s: float, memory_mb: int) -> None:
        self._processes = processes
        self._timeout_s = timeout_s
        self._memory_mb = memory_mb
        self._executor: ProcessPoolExecutor | None = None

    def run(self, function: Any, arguments: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """`function(*a)` for each of `arguments`, in order; a Refusal where it crashed or hung.

        Only a few calls run ahead of the reader, which bounds the memory their results take. Of
        many, some go to a process together; where they crash or take longer than one may, each is
        tried alone.
        """
        # Every process has several turns, so that none is left with the last long one.
        together = max(1, min(_TASKS_TOGETHER, len(arguments) // (4 * self._processes)))
        starts = deque(range(0, len(arguments), together))
        under_way: deque[Future[list[Any]]] = deque()
        answered = 0
        try:
            while answered < len(arguments):
                while starts and len(under_way) * together < _TASKS_AHEAD:
                    start = starts.popleft()
                    some = arguments[start : start + together]
                    under_way.append(self._pool().submit(_each, function, some))
                for result in under_way.popleft().result(self._timeout_s):
                    answered += 1
                    yield result
        except (BrokenProcessPool, FutureTimeoutError):
            self._discard()
        for number in range(answered, len(arguments)):
            yield self.run_alone(function, arguments[number])

    def run_alone(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        """`function(*arguments)` with no other call under way, so that a crash has one cause."""
        try:
            future: Future[Any] = self._pool().submit(function, *arguments)
            return future.result(self._timeout_s)
        except BrokenProcessPool:
            self._discard()
            _LOG.warning("a decoder crashed", extra={"action": "decoder_crashed"})
            return Refusal("failed", "the decoder crashed on it", "perhaps machine")
        except FutureTimeoutError:
            self._discard()
            _LOG.warning("a decoder hung", extra={"action": "decoder_hung"})
            reason = f"decoding took longer than {self._timeout_s:g} s"
            return Refusal("failed", reason, "perhaps machine")

    def _pool(self) -> ProcessPoolExecutor:
        if self._executor is None:
            self._executor = decoding_processes(self._processes, self._memory_mb)
        return self._executor

    def _discard(self) -> None:
        """Kill the processes at once; the next call starts new ones."""
        executor, self._executor = self._executor, None
        if executor is None:
            return
        # A process killed half-way through an answer leaves the executor waiting for the rest,
        # unless nobody holds the pipe's writing end any more.
        executor._result_queue._writer.close()  # type: ignore[attr-defined]
        for process in list((executor._processes or {}).values()):
            process.kill()
        executor.shutdown(wait=True, cancel_futures=True)

    def close(self) -> None:
        """End the processes."""
        self._discard()
