"""Which of the gallery's slices may teach, and in which fold."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import Engine

from dicom_node.files import ObjectStore
from service.errors import InvalidParameter
from service.labels.history import find_statement
from service.labels.record import LabelRecord
from service.labels.withdrawing import withdraw_label
from service.labels.writing import record_labels
from service.training_set import FOLDS, GallerySlices, fold_of, gallery_slices
from tests.support.galleries import MadeInstance, fill


def instances() -> list[MadeInstance]:
    """Four patients with one slice each, one with three frames, and one that does not decode."""
    three = np.zeros((3, 24), np.float32)
    return [
        *(MadeInstance(f"1.{n}", patient=n, modality="MR") for n in range(4)),
        MadeInstance("1.4", patient=4, coordinates=three),
        MadeInstance("1.5", patient=5, state="failed", reason="broken"),
        MadeInstance("1.6", patient=6, state="pending"),
    ]


def record(engine: Engine, *labels: tuple[str, str, str]) -> None:
    """Labels as (UID, label, source); a UID that begins with "study " is a study's."""
    with engine.begin() as connection:
        record_labels(connection, [_record(*label) for label in labels])


def _record(uid: str, label: str, source: str) -> LabelRecord:
    if uid.startswith("study "):
        return LabelRecord(None, uid.removeprefix("study "), label, source)
    return LabelRecord(uid, None, label, source)


def found(
    engine: Engine, store: ObjectStore, sources: Sequence[str] = (), study_labels: bool = False
) -> GallerySlices:
    with engine.connect() as connection:
        return gallery_slices(connection, store, sources=sources, study_labels=study_labels)


def labels_of(slices: GallerySlices) -> dict[str, str]:
    return {row.sop_instance_uid: row.label for row in slices.rows}


def test_slices_bring_their_facts_and_no_name(engine: Engine, store: ObjectStore) -> None:
    fill(engine, instances())
    record(engine, ("1.0", "glioma", "board"))
    (row,) = found(engine, store).rows

    assert (row.sop_instance_uid, row.label, row.modality) == ("1.0", "glioma", "MR")
    assert row.series_instance_uid == "1.2.826.1.0.2.77"
    assert (row.patient_id, row.group_kind) == (UUID(int=1).hex, "patient")
    assert row.fold == fold_of(UUID(int=1))
    assert row.path == store.path("00/1.0.dcm")


def test_what_cannot_teach_is_left_out_and_counted(engine: Engine, store: ObjectStore) -> None:
    fill(engine, instances())
    record(
        engine,
        *((f"1.{n}", "glioma", "board") for n in (0, 1, 4, 5, 6)),
        ("1.1", "bleed", "report"),
        ("study 1.2.826.1.2", "glioma", "board"),
    )
    slices = found(engine, store)

    assert labels_of(slices) == {"1.0": "glioma"}
    assert slices.left_out == {
        "several labels": 1,
        "several frames": 1,
        "not decodable": 1,
        "not embedded yet": 1,
        "only its study has a label": 1,
    }


def test_what_a_rule_keeps_out_does_not_teach(engine: Engine, store: ObjectStore) -> None:
    reason = "not admitted: rule 1, store image_type=LOCALIZER"
    scout = MadeInstance("1.9", patient=9, state="unsupported", reason=reason)
    fill(engine, [*instances(), scout])
    record(engine, ("1.0", "glioma", "board"), ("1.9", "glioma", "board"))
    assert found(engine, store).left_out == {"not admitted": 1}


def test_the_label_of_a_study_counts_only_on_demand(engine: Engine, store: ObjectStore) -> None:
    fill(engine, instances())
    record(
        engine,
        ("study 1.2.826.1.0", "glioma", "board"),
        ("study 1.2.826.1.1", "glioma", "board"),
        ("1.1", "normal", "board"),
    )

    assert labels_of(found(engine, store)) == {"1.1": "normal"}
    assert labels_of(found(engine, store, study_labels=True)) == {"1.0": "glioma", "1.1": "normal"}


def test_sources_narrow_and_are_told(engine: Engine, store: ObjectStore) -> None:
    fill(engine, instances())
    record(
        engine,
        ("1.0", "glioma", "board"),
        ("1.0", "glioma", "report"),
        ("1.1", "bleed", "guess"),
        ("1.1", "glioma", "board"),
        ("1.2", "bleed", "guess"),
    )
    slices = found(engine, store, sources=["board", "report"])

    assert labels_of(slices) == {"1.0": "glioma", "1.1": "glioma"}
    assert slices.sources == {"board": 2, "report": 1}
    assert slices.statement() == (
        "2 slices of 2 patients of a hospital's own gallery; labels: glioma 2; "
        "confirmed by: board 2, report 1"
    )


def test_predictions_and_what_was_taken_back_do_not_teach(
    engine: Engine, store: ObjectStore
) -> None:
    fill(engine, instances())
    record(
        engine,
        *((f"1.{n}", "glioma", "board") for n in (0, 1)),
        ("1.2", "glioma", "prediction"),
        ("1.3", "glioma", "AI"),
    )
    with engine.begin() as connection:
        of = LabelRecord("1.1", None, "glioma", "board")
        withdraw_label(connection, find_statement(connection, of).label_id, "wrong patient")

    assert labels_of(found(engine, store)) == {"1.0": "glioma"}
    with pytest.raises(InvalidParameter):
        found(engine, store, sources=["prediction", "AI"])


def test_a_gallery_without_labels_says_what_to_do(engine: Engine, store: ObjectStore) -> None:
    fill(engine, instances())

    with pytest.raises(InvalidParameter, match="gallery label"):
        found(engine, store)


def test_nothing_usable_says_why(engine: Engine, store: ObjectStore) -> None:
    fill(engine, instances())
    record(engine, ("1.4", "glioma", "board"))

    with pytest.raises(InvalidParameter, match="1 left out: several frames"):
        found(engine, store)


def test_folds_are_even_and_follow_the_patient_alone() -> None:
    keys = [uuid4() for _ in range(2000)]
    counts = Counter(fold_of(key) for key in keys)

    assert set(counts) == set(range(1, FOLDS + 1))
    assert min(counts.values()) > 300
    assert fold_of(UUID(int=1)) == fold_of(UUID(int=1)) == 5
