"""Files: figures of every query, exports read back, and the planes that ship."""

import csv
from pathlib import Path

import numpy as np
import pytest

from model.checkpoint import Checkpoint
from model.dataset import PLANES
from model.errors import EvaluationError
from model.evaluation.evaluate import evaluate
from model.evaluation.exported import open_export
from model.evaluation.planes import shipped_planes
from model.evaluation.query_table import refuse_unwritable, write_queries
from tests.unit.model.evaluation.drawn import on_a_line, slices
from tests.unit.model.made import info


def test_every_query_is_a_line_with_uids_and_no_patient(tmp_path: Path) -> None:
    queries, gallery = slices([0, 1], ["SECRET1", "SECRET2"]), slices([1, 0], prefix="G")
    report = evaluate(on_a_line(0, 5), queries, on_a_line(4, 1), gallery, resamples=0)

    write_queries(tmp_path / "queries.csv", [report])

    text = (tmp_path / "queries.csv").read_text()
    assert "SECRET" not in text
    first, second = csv.DictReader(text.splitlines())
    assert (first["sop_instance_uid"], first["label"]) == ("1.2.P.0", "glioma")
    assert (first["nearest_sop_instance_uid"], first["nearest_label"]) == ("1.2.G.1", "glioma")
    assert (second["average_precision"], second["nearest_label"]) == ("1.000000", "bleed")


CHECKPOINT = Checkpoint("msnet-1", "d" * 64, info(), {})


def exported(path: Path, uids: list[str], frames: list[int], **changes: object) -> Path:
    """An export of that checkpoint's; a change to None leaves an array out."""
    arrays = {
        "sop_instance_uid": uids,
        "frame": frames,
        "embedding": np.arange(len(uids) * 3, dtype=np.float32).reshape(-1, 3),
        "encoder_name": CHECKPOINT.name,
        "encoder_sha256": CHECKPOINT.digest,
        **changes,
    }
    with path.open("wb") as file:
        np.savez(file, **{n: np.array(a) for n, a in arrays.items() if a is not None})
    return path


def test_an_exports_rows_are_found_by_uid(tmp_path: Path) -> None:
    path = exported(tmp_path / "g.npz", ["1.3", "1.2", "1.2", "1.1"], [1, 2, 1, 1])

    found = open_export(path, CHECKPOINT).vectors(("1.1", "1.2"))

    np.testing.assert_array_equal(found, [[9, 10, 11], [6, 7, 8]])


def test_another_encoder_s_embeddings_do_not_pass_for_this_one_s(tmp_path: Path) -> None:
    other = exported(tmp_path / "o.npz", ["1.1"], [1], encoder_name="other", encoder_sha256="e")
    old = exported(tmp_path / "old.npz", ["1.1"], [1], encoder_name=None, encoder_sha256=None)

    with pytest.raises(EvaluationError, match="of other, not of msnet-1"):
        open_export(other, CHECKPOINT)
    with pytest.raises(EvaluationError, match="export the gallery again"):
        open_export(old, CHECKPOINT)


def test_an_export_that_lacks_slices_or_is_none_is_refused(tmp_path: Path) -> None:
    path = exported(tmp_path / "g.npz", ["1.1"], [1])
    export = open_export(path, CHECKPOINT)

    with pytest.raises(EvaluationError, match=r"lacks 1 of 2 slices, first 1\.2"):
        export.refuse_gaps(("1.1", "1.2"))
    for content in (b"no archive", b"", b"PK no archive"):
        path.write_bytes(content)
        with pytest.raises(EvaluationError, match="no export"):
            open_export(path, CHECKPOINT)
    with path.open("wb") as file:
        np.savez(file, encoder_sha256=np.array(CHECKPOINT.digest))
    with pytest.raises(EvaluationError, match="no export"):
        open_export(path, CHECKPOINT)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(EvaluationError, match="no export"):
        open_export(path, CHECKPOINT)


@pytest.mark.parametrize("place", ["missing/queries.csv", "."])
def test_a_table_that_could_not_be_written_is_refused_before(tmp_path: Path, place: str) -> None:
    refuse_unwritable(tmp_path / "queries.csv")
    with pytest.raises(EvaluationError, match="cannot be written"):
        refuse_unwritable(tmp_path / place)


def test_the_shipped_planes_name_planes() -> None:
    planes = shipped_planes()

    assert set(planes.values()) == set(PLANES)
    assert len(planes) > 400
