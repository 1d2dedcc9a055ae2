"""Files: figures of every query, exports read back, and the planes that ship."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.dataset import PLANES
from model.errors import EvaluationError
from model.evaluation.evaluate import evaluate
from model.evaluation.exported import exported_vectors
from model.evaluation.planes import shipped_planes
from model.evaluation.query_table import write_queries
from tests.unit.model.evaluation.drawn import on_a_line, slices
from tests.unit.model.made import dataset


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


def exported(path: Path, uids: list[str], frames: list[int]) -> Path:
    embeddings = np.arange(len(uids) * 3, dtype=np.float32).reshape(-1, 3)
    with path.open("wb") as file:
        np.savez(file, sop_instance_uid=np.array(uids), frame=frames, embedding=embeddings)
    return path


def test_an_exports_rows_are_found_by_uid(tmp_path: Path) -> None:
    path = exported(tmp_path / "g.npz", ["1.3", "1.2", "1.2", "1.1"], [1, 2, 1, 1])
    asked = replace(dataset(2), sop_instance_uids=("1.1", "1.2"))

    np.testing.assert_array_equal(exported_vectors(path, asked), [[9, 10, 11], [6, 7, 8]])


def test_an_export_that_lacks_slices_or_is_none_is_refused(tmp_path: Path) -> None:
    path = exported(tmp_path / "g.npz", ["1.1"], [1])
    asked = replace(dataset(2), sop_instance_uids=("1.1", "1.2"))

    with pytest.raises(EvaluationError, match=r"lacks 1 of 2 slices, first 1\.2"):
        exported_vectors(path, asked)
    path.write_bytes(b"no archive")
    with pytest.raises(EvaluationError, match="no export"):
        exported_vectors(path, asked)
    with path.open("wb") as file:
        np.savez(file, embedding=np.zeros((1, 3)))
    with pytest.raises(EvaluationError, match="no export"):
        exported_vectors(path, asked)


def test_the_shipped_planes_name_planes() -> None:
    planes = shipped_planes()

    assert set(planes.values()) == set(PLANES)
    assert len(planes) > 400
