from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from model.preprocess import PreprocessConfig
from service.decoding import (
    DecodePool,
    Opening,
    Prepared,
    Refusal,
    Task,
    prepare_frames,
    prepare_opening,
    render_frame,
)
from tests.support.decoders import (
    die_on,
    double,
    eat_memory,
    hang_on,
    process_number,
    raise_on,
)
from tests.support.objects import ct_dataset, write_file

CRASHED = Refusal("failed", "the decoder crashed on it", "perhaps machine")


@pytest.fixture
def pool() -> Iterator[DecodePool]:
    made = DecodePool(2, timeout_s=60, memory_mb=1024)
    yield made
    made.close()


def numbered(count: int, guilty: tuple[int, ...]) -> list[tuple[int, tuple[int, ...]]]:
    return [(number, guilty) for number in range(count)]


def test_results_come_in_order(decode_pool: DecodePool) -> None:
    assert list(decode_pool.run(double, [(n,) for n in range(100)])) == [2 * n for n in range(100)]
    assert list(decode_pool.run(double, [])) == []


def test_only_those_that_kill_their_process_are_blamed(pool: DecodePool) -> None:
    guilty = (0, 3, 4)
    results = list(pool.run(die_on, numbered(8, guilty)))
    assert results == [CRASHED if n in guilty else n for n in range(8)]
    # The pool goes on as if nothing had happened.
    assert list(pool.run(double, [(1,)])) == [2]


def test_among_many_only_those_that_kill_their_process_are_blamed(pool: DecodePool) -> None:
    # So many that several go to a process together: the first, amid others, and the last.
    guilty = (0, 22, 39)
    results = list(pool.run(die_on, numbered(40, guilty)))
    assert results == [CRASHED if n in guilty else n for n in range(40)]


def test_only_those_that_hang_are_blamed() -> None:
    # Long enough for a process to start on a busy machine, which counts as decoding time.
    pool = DecodePool(2, timeout_s=2.5, memory_mb=1024)
    results = list(pool.run(hang_on, numbered(3, (1,))))
    assert results == [
        0,
        Refusal("failed", "decoding took longer than 2.5 s", "perhaps machine"),
        2,
    ]
    pool.close()


def test_memory_is_bounded(pool: DecodePool) -> None:
    assert list(pool.run(eat_memory, [(16,)])) == [16]
    with pytest.raises(MemoryError):
        list(pool.run(eat_memory, [(2048,)]))


def test_an_error_that_no_decoder_should_raise_is_not_hidden(pool: DecodePool) -> None:
    results = pool.run(raise_on, numbered(3, (1,)))
    assert next(results) == 0
    with pytest.raises(LookupError):
        next(results)


def test_processes_are_kept_between_calls_and_ended_at_the_close() -> None:
    pool = DecodePool(1, timeout_s=60, memory_mb=1024)
    first = list(pool.run(process_number, [(0,)]))
    assert list(pool.run(process_number, [(0,)])) == first
    pool.close()
    assert not Path(f"/proc/{first[0]}").exists()
    # A closed pool starts anew, so that an API that shuts down can still answer its last requests.
    assert list(pool.run(process_number, [(0,)])) != first
    pool.close()


def test_frames_are_counted_and_prepared(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(1000, 1100, (3, 40, 50)).astype(np.int16)
    dataset = ct_dataset(pixels=pixels[0], NumberOfFrames=3, PixelData=pixels.tobytes())
    path = write_file(tmp_path / "a.dcm", dataset)
    config = PreprocessConfig(size=32)
    opening = prepare_opening(path, config)
    assert isinstance(opening, Opening)
    assert opening.frames == 3
    whole = opening.first.pictures
    assert whole.shape == (3, 32, 32)
    assert whole.dtype == np.float32
    for number, frame in enumerate(whole):
        alone = prepare_frames(Task(path, number, number + 1), config)
        assert isinstance(alone, Prepared)
        np.testing.assert_array_equal(alone.pictures, frame[None])
    assert len({frame.tobytes() for frame in whole}) == 3


def test_a_refusal_says_what_is_at_fault(tmp_path: Path) -> None:
    report = write_file(tmp_path / "sr.dcm", ct_dataset(PixelData=None, Modality="SR"))
    short = write_file(tmp_path / "short.dcm", ct_dataset(PixelData=b"\0" * 100))
    config = PreprocessConfig(size=32)
    for path, state, blame in (
        (report, "unsupported", "object"),
        (short, "failed", "object"),
        (tmp_path / "gone.dcm", "failed", "disk"),
    ):
        for refusal in (
            prepare_opening(path, config),
            prepare_frames(Task(path, 0, 1), config),
            render_frame(path, 1),
        ):
            assert isinstance(refusal, Refusal)
            assert (refusal.state, refusal.blame) == (state, blame)
            assert refusal.reason
            assert "Nobody" not in refusal.reason


def test_a_frame_beyond_the_last_is_refused(tmp_path: Path) -> None:
    path = write_file(tmp_path / "a.dcm", ct_dataset())
    refusal = render_frame(path, 2)
    assert isinstance(refusal, Refusal)
    assert refusal.state == "failed"
