"""Every fault among rows is planted, found and, where rows can say what is right, mended."""

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from service.deletion.rejecting import hide_instances
from service.verifying.rebuilding import rebuild
from service.verifying.rows import COPIES
from tests.integration.service.verifying.conftest import Sound

_FIRST = "(SELECT instance_id FROM instance WHERE sop_instance_uid = '1.2.3.0.1.0')"


def test_a_sound_gallery_has_no_fault(sound: Sound) -> None:
    found = sound.verify()
    assert found.is_sound, found.faults
    assert (found.looked.instances, found.looked.slices, found.looked.contents) == (12, 12, 12)
    assert found.looked.files == {"instance": 12, "quarantined": 0}
    assert found.recall is not None
    assert (found.recall.mean, found.recall.worst) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("plant", "kind", "count"),
    [
        (f"DELETE FROM embedding WHERE instance_id = {_FIRST}", "vectors missing", 1),
        (
            "UPDATE instance SET frames = 2 WHERE sop_instance_uid LIKE '%.1.2'",
            "vectors missing",
            4,
        ),
        (f"UPDATE embedding SET frame = 2 WHERE instance_id = {_FIRST}", "vectors missing", 1),
        (
            f"UPDATE embedding SET labels = '{{}}' WHERE instance_id = {_FIRST}",
            "labels wrong",
            1,
        ),
        ("UPDATE embedding SET labels = labels || '{x}'::text[]", "labels wrong", 12),
        (
            f"UPDATE embedding SET coordinates = (SELECT array_agg(2 * v) FROM "
            f"unnest(coordinates::real[]) v)::vector WHERE instance_id = {_FIRST}",
            "length wrong",
            1,
        ),
        (
            f"INSERT INTO embedding_job (instance_id) VALUES ({_FIRST})",
            "job left",
            1,
        ),
        (
            "INSERT INTO study (study_instance_uid) VALUES ('9.9')",
            "empty",
            1,
        ),
    ],
)
def test_a_planted_fault_is_found_and_mended(
    sound: Sound, embed: Callable[[], int], plant: str, kind: str, count: int
) -> None:
    sound.run(plant)
    found = sound.verify()
    assert [(fault.kind, fault.count) for fault in found.faults] == [(kind, count)]
    assert all(fault.remedy and fault.examples and fault.can_repair for fault in found.faults)
    mended = sound.verify(repair=True)
    assert mended.repaired == {kind: count}
    if kind in ("vectors missing", "length wrong"):
        assert mended.is_sound
        sound.run("UPDATE instance SET frames = 1")
        assert embed() == count
    assert sound.verify().is_sound


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("patient_key", "'00000000-0000-0000-0000-000000000000'"),
        ("modality", "'MR'"),
        ("series_id", "999"),
        ("study_id", "999"),
        ("patient_sex", "'F'"),
        ("patient_age_years", "7"),
    ],
)
def test_a_wrong_copy_is_named_and_mended(sound: Sound, column: str, value: str) -> None:
    sound.run(f"UPDATE embedding SET {column} = {value} WHERE instance_id = {_FIRST}")
    (fault,) = sound.verify().faults
    assert (fault.kind, fault.count, fault.examples) == ("copies wrong", 1, ("1.2.3.0.1.0",))
    assert column in fault.what
    assert sound.verify(repair=True).repaired == {"copies wrong": 1}
    assert sound.verify().is_sound


def test_every_copied_column_is_tried() -> None:
    (mark,) = test_a_wrong_copy_is_named_and_mended.pytestmark  # type: ignore[attr-defined]
    assert {column for column, _ in mark.args[1]} == COPIES.keys()


def test_a_job_that_is_lost_is_found(sound: Sound, embed: Callable[[], int]) -> None:
    sound.run("UPDATE instance SET state = 'pending' WHERE sop_instance_uid = '1.2.3.0.1.0'")
    assert sound.faults() == {"job missing": 1, "vectors left": 1}
    assert sound.verify(repair=True).repaired == {"job missing": 1, "vectors left": 1}
    assert embed() == 1
    assert sound.verify().is_sound


def test_what_is_hidden_has_no_vectors_of_any_encoder(sound: Sound) -> None:
    with sound.engine.begin() as connection:
        ids = list(connection.scalars(text(f"SELECT {_FIRST}")))
        hide_instances(connection, ids, "rejected for quality")
    assert sound.verify().is_sound
    sound.run(
        f"INSERT INTO embedding SELECT e.encoder_id, {_FIRST}, 1, e.patient_key, e.modality, "
        "e.labels, e.coordinates, e.series_id, e.study_id FROM embedding e LIMIT 1"
    )
    assert "vectors left" in sound.faults()
    sound.verify(repair=True)
    assert sound.verify().is_sound


def test_an_index_that_is_broken_or_gone_is_found(sound: Sound) -> None:
    sound.break_index("broken_ccnew")
    assert sound.faults() == {"index invalid": 1}
    assert rebuild(sound.engine, sound.settings).dropped == ("broken_ccnew",)
    assert sound.verify().is_sound
    sound.run(f"DROP INDEX {sound.encoder.partition}_hnsw_idx")
    assert sound.faults() == {"index missing": 1}


def test_a_gallery_without_an_encoder_is_looked_at_too(sound: Sound) -> None:
    sound.run("UPDATE encoder SET state = 'ready'")
    found = sound.verify()
    assert found.is_sound
    assert (found.encoder, found.recall) == (None, None)
    assert found.notes


def test_no_vector_stands_without_its_instance(sound: Sound) -> None:
    """The database itself refuses it, so there is nothing to look for."""
    with pytest.raises(IntegrityError):
        sound.run("UPDATE embedding SET instance_id = 999 WHERE frame = 1")
