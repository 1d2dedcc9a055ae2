from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection, Engine, text

from service.encoders.registry import ActiveEncoder
from service.labels.copies import hold_labels, labels_of_instances
from service.labels.writing import LabelReport, record_labels
from service.search.filters import Filters
from service.search.similar import Query, similar
from tests.support.galleries import MadeInstance, fill, write_embeddings
from tests.support.labels import copies, of_instance, of_study, record
from tests.support.stored import waits_for_lock


def labels_of(engine: Engine, ids: dict[str, int]) -> dict[str, tuple[str, ...]]:
    with engine.connect() as connection:
        found = labels_of_instances(connection, ids.values())
    return {uid: found[number] for uid, number in ids.items()}


def test_labels_of_instances_and_studies_add_up(engine: Engine, ids: dict[str, int]) -> None:
    report = record(
        engine,
        of_study("1.2.826.1.1", "glioma"),
        of_instance("1.2", "bleed"),
        of_instance("1.2", "glioma"),
    )
    assert report == LabelReport(recorded=3, replaced=0, unchanged=0, subjects=2, waiting=0)
    assert labels_of(engine, ids) == {"1.1": ("glioma",), "1.2": ("bleed", "glioma"), "2.1": ()}
    assert copies(engine) == {"1.1": ["glioma"], "1.2": ["bleed", "glioma"], "2.1": []}


def test_a_label_filters_a_search_at_once(engine: Engine, ids: dict[str, int]) -> None:
    record(engine, of_instance("1.2", "bleed"))
    with engine.connect() as connection:
        answer = similar(connection, Query("2.1", filters=Filters(label=("bleed",))))
    assert [(n.sop_instance_uid, n.labels) for n in answer.neighbours] == [("1.2", ["bleed"])]


def test_what_a_source_said_before_is_replaced(engine: Engine, ids: dict[str, int]) -> None:
    record(
        engine,
        of_instance("1.1", "glioma", "board"),
        of_instance("1.1", "bleed", "report"),
        of_instance("2.1", "bleed", "board"),
        of_study("1.2.826.1.1", "tumour", "board"),
    )
    assert record(engine, of_instance("1.1", "meningioma", "board")).replaced == 1
    # The board corrected one instance; other sources and other subjects keep their labels.
    assert labels_of(engine, ids) == {
        "1.1": ("bleed", "meningioma", "tumour"),
        "1.2": ("tumour",),
        "2.1": ("bleed",),
    }
    record(engine, of_study("1.2.826.1.1", "none", "board"))
    assert copies(engine) == {
        "1.1": ["bleed", "meningioma", "none"],
        "1.2": ["none"],
        "2.1": ["bleed"],
    }


def test_the_same_line_twice_is_one_label(engine: Engine, ids: dict[str, int]) -> None:
    line = of_instance("1.1", "glioma")
    assert record(engine, line, line) == LabelReport(1, 0, 0, subjects=1, waiting=0)
    assert record(engine, line) == LabelReport(0, 0, 1, subjects=1, waiting=0)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM label")).scalar_one() == 1


def test_labels_wait_for_what_has_not_arrived(
    engine: Engine, encoder: ActiveEncoder, made: list[MadeInstance]
) -> None:
    report = record(engine, of_instance("2.1", "bleed"), of_study("1.2.826.1.1", "glioma"))
    assert report == LabelReport(recorded=2, replaced=0, unchanged=0, subjects=2, waiting=2)
    ids = fill(engine, made)
    assert labels_of(engine, ids) == {"1.1": ("glioma",), "1.2": ("glioma",), "2.1": ("bleed",)}
    assert record(engine, of_instance("2.1", "bleed")).waiting == 0


def test_more_labels_than_go_into_one_block(engine: Engine) -> None:
    lines = [of_instance(f"1.{n}", f"label {n % 7}") for n in range(12_500)]
    assert record(engine, *lines) == LabelReport(12_500, 0, 0, 12_500, waiting=12_500)
    assert record(engine, *lines) == LabelReport(0, 0, 12_500, 12_500, waiting=12_500)


def test_a_failed_import_of_labels_changes_nothing(engine: Engine, ids: dict[str, int]) -> None:
    record(engine, of_instance("1.1", "glioma"))
    with engine.connect() as connection:
        record_labels(connection, [of_instance("1.1", "bleed")])
        connection.rollback()
    assert copies(engine)["1.1"] == ["glioma"]


def write_labelled(
    connection: Connection,
    encoder: ActiveEncoder,
    made: Sequence[MadeInstance],
    ids: dict[str, int],
) -> None:
    """What the worker does in its transaction: hold off imports, look, and copy."""
    hold_labels(connection)
    found = labels_of_instances(connection, ids.values())
    rows = [
        MadeInstance(
            m.sop_instance_uid,
            patient=m.patient,
            labels=found[ids[m.sop_instance_uid]],
            coordinates=m.coordinates,
        )
        for m in made
    ]
    write_embeddings(connection, encoder, rows, ids)


def test_labels_that_arrive_while_a_batch_is_written_are_not_missed(
    engine: Engine, encoder: ActiveEncoder, made: list[MadeInstance]
) -> None:
    ids = fill(engine, made)
    with ThreadPoolExecutor(1) as other, engine.connect() as worker:
        write_labelled(worker, encoder, made, ids)
        importing = other.submit(record, engine, of_instance("1.1", "glioma"))
        assert waits_for_lock(engine, importing)
        worker.commit()
        importing.result()
    assert copies(engine)["1.1"] == ["glioma"]


def test_a_batch_that_is_written_while_labels_arrive_sees_them(
    engine: Engine, encoder: ActiveEncoder, made: list[MadeInstance]
) -> None:
    ids = fill(engine, made)

    def write() -> LabelReport:
        with engine.begin() as connection:
            write_labelled(connection, encoder, made, ids)
        return LabelReport(0, 0, 0, 0, 0)

    with ThreadPoolExecutor(1) as other, engine.connect() as importing:
        record_labels(importing, [of_instance("1.1", "glioma")])
        writing = other.submit(write)
        assert waits_for_lock(engine, writing)
        importing.commit()
        writing.result()
    assert copies(engine)["1.1"] == ["glioma"]


def test_two_batches_do_not_wait_for_each_other(engine: Engine) -> None:
    with engine.connect() as one, engine.connect() as other:
        hold_labels(one)
        other.execute(text("SET lock_timeout = '5s'"))
        hold_labels(other)
