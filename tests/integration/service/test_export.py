from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, event, text

from service import export
from service.encoders.registry import ActiveEncoder
from service.errors import Unavailable
from service.export import export_gallery
from tests.support.encoders import DIMENSION, made_encoder, unit
from tests.support.galleries import MadeInstance, fill

COLUMNS = ("sop_instance_uid", "frame", "label", "patient_key", "embedding")


def some(count: int, start: int = 0) -> list[MadeInstance]:
    """Instances of two frames; the second has labels."""
    coordinates = unit(np.random.default_rng(start).normal(size=(count, 2, DIMENSION)))
    return [
        MadeInstance(
            f"1.{start + n}",
            patient=n,
            labels=("bleed", "glioma") if n == 1 else (),
            coordinates=c,
        )
        for n, c in enumerate(coordinates)
    ]


def test_the_archive_says_what_each_embedding_is_of(
    engine: Engine, encoder: ActiveEncoder, tmp_path: Path
) -> None:
    made = some(5)
    fill(engine, [*made, MadeInstance("1.99", state="failed", reason="broken")], encoder)
    file = tmp_path / "gallery.npz"
    assert export_gallery(engine, file) == 10
    with np.load(file, allow_pickle=False) as archive:
        found = {name: archive[name] for name in archive.files}
    assert set(found) == {*COLUMNS, "encoder_name", "encoder_sha256"}
    assert (str(found["encoder_name"]), str(found["encoder_sha256"])) == (
        encoder.name,
        encoder.digest,
    )
    assert found["sop_instance_uid"].tolist() == [m.sop_instance_uid for m in made for _ in (1, 2)]
    assert found["frame"].tolist() == [1, 2] * 5
    assert found["frame"].dtype == np.int32
    assert found["label"].tolist() == ["", "", "bleed", "bleed", *[""] * 6]
    assert found["patient_key"].tolist() == [m.patient_key.hex for m in made for _ in (1, 2)]
    assert all(found[name].dtype.kind == "U" for name in ("sop_instance_uid", "label"))
    embedding = found["embedding"]
    assert (embedding.dtype, embedding.shape) == (np.dtype("<f4"), (10, 4096))
    coordinates = np.concatenate([m.coordinates for m in made if m.coordinates is not None])
    np.testing.assert_allclose(embedding, coordinates @ made_encoder().basis.T, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)


def test_an_empty_gallery_is_an_empty_archive(
    engine: Engine, encoder: ActiveEncoder, tmp_path: Path
) -> None:
    file = tmp_path / "gallery.npz"
    assert export_gallery(engine, file) == 0
    with np.load(file, allow_pickle=False) as archive:
        assert archive["embedding"].shape == (0, 4096)
        assert archive["sop_instance_uid"].shape == (0,)


def test_blocks_are_put_together_whatever_arrives_meanwhile(
    engine: Engine, encoder: ActiveEncoder, tmp_path: Path
) -> None:
    count = export._BLOCK // 2 + 1
    made = some(count)
    fill(engine, made, encoder)
    told: list[tuple[int, int]] = []

    def arrive(done: int, all_: int) -> None:
        told.append((done, all_))
        fill(engine, [_later(10_000 * len(told))], encoder)

    file = tmp_path / "gallery.npz"
    assert export_gallery(engine, file, arrive) == 2 * count
    assert told == [(export._BLOCK, 2 * count), (2 * count, 2 * count)]
    with np.load(file, allow_pickle=False) as archive:
        assert {len(archive[name]) for name in COLUMNS} == {2 * count}
        uids, embedding = archive["sop_instance_uid"].tolist(), archive["embedding"]
    assert uids == [m.sop_instance_uid for m in made for _ in (1, 2)]
    last = made[-1].coordinates
    assert last is not None
    np.testing.assert_allclose(embedding[-2:], last @ made_encoder().basis.T, atol=1e-6)


def test_slices_that_arrive_between_two_columns_are_left_out(
    engine: Engine, encoder: ActiveEncoder, tmp_path: Path
) -> None:
    fill(engine, some(3), encoder)

    def arrive(_connection: Any, _cursor: Any, statement: str, *_others: object) -> None:
        if "FROM embedding_encoder" in statement:
            start = 10_000 * (len(arrived) + 1)
            arrived.append(fill(engine, [_later(start)], encoder))

    arrived: list[dict[str, int]] = []
    event.listen(engine, "before_cursor_execute", arrive)
    count = export_gallery(engine, tmp_path / "gallery.npz")
    event.remove(engine, "before_cursor_execute", arrive)
    # One before the count, one before the columns, one before the embeddings.
    assert len(arrived) == 3
    assert count == 6
    with np.load(tmp_path / "gallery.npz", allow_pickle=False) as archive:
        assert {len(archive[name]) for name in COLUMNS} == {6}


def _later(start: int) -> MadeInstance:
    (made,) = some(1, start)
    return MadeInstance(made.sop_instance_uid, patient=start, coordinates=made.coordinates)


def test_a_failure_leaves_the_old_archive_and_no_part_of_the_new(
    engine: Engine, encoder: ActiveEncoder, tmp_path: Path
) -> None:
    fill(engine, some(3), encoder)
    file = tmp_path / "gallery.npz"
    file.write_bytes(b"the last one")

    def fail(_done: int, _all: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_gallery(engine, file, fail)
    assert [f.name for f in tmp_path.iterdir()] == ["gallery.npz"]
    assert file.read_bytes() == b"the last one"


def test_a_row_that_cannot_be_written_leaves_nothing(
    engine: Engine, encoder: ActiveEncoder, tmp_path: Path
) -> None:
    fill(engine, some(3), encoder)
    with engine.begin() as connection:
        connection.execute(text("UPDATE encoder SET basis = substr(basis, 1, 24 * 4 * 10)"))
        connection.execute(text("UPDATE encoder SET dimension = 12"))
    with pytest.raises(ValueError, match="matmul"):
        export_gallery(engine, tmp_path / "gallery.npz")
    assert list(tmp_path.iterdir()) == []


def test_without_an_encoder_there_is_nothing_to_export(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        export_gallery(engine, tmp_path / "gallery.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_error_of_the_system(
    engine: Engine, encoder: ActiveEncoder, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        export_gallery(engine, tmp_path / "none" / "gallery.npz")
