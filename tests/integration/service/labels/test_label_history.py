"""Nothing that was said is lost: it ends, with when, by whom and why."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from service.errors import InvalidParameter
from service.labels.coding import Concept
from service.labels.faults import InvalidLabels, LabelUnknown
from service.labels.history import Level, StatedLabel, find_labels, find_statement
from service.labels.record import LabelRecord
from service.labels.vocabulary import find_vocabulary
from service.labels.withdrawing import withdraw_label
from service.labels.writing import LabelReport, record_labels
from tests.support.labels import SCT_GLIOMA, copies, of_instance, of_study, record

GLIOMA = Concept("SCT", SCT_GLIOMA, "Glioma")
STUDY = "1.2.826.1.1"


def said(engine: Engine, level: Level, uid: str, *, history: bool = True) -> list[StatedLabel]:
    with engine.connect() as connection:
        return list(find_labels(connection, level, uid, history=history).labels)


def withdraw(engine: Engine, of: LabelRecord, reason: str = "typo") -> StatedLabel:
    with engine.begin() as connection:
        number = find_statement(connection, of).label_id
        return withdraw_label(connection, number, reason, by="Y")


def test_what_was_replaced_is_told_with_when_and_by_whom(
    engine: Engine, ids: dict[str, int]
) -> None:
    record(engine, of_instance("1.1", "bleed", "report"), by="first")
    record(engine, of_instance("1.1", "glioma", "report"), by="second")
    old, new = said(engine, "instance", "1.1")
    assert (old.label, old.ended_as, old.ended_by) == ("bleed", "replaced", "second")
    assert old.ended_at == new.recorded_at
    assert (new.label, new.ended_at, new.author, new.recorded_by) == (
        "glioma",
        None,
        "second",
        "second",
    )
    assert said(engine, "instance", "1.1", history=False) == [new]


def test_all_that_is_said_is_kept(engine: Engine) -> None:
    stated = LabelRecord(
        None,
        STUDY,
        "glioma",
        "report",
        origin="RIS",
        concept=GLIOMA,
        author="Dr. \\Ypsilon",
        stated_at=datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    record(engine, stated, by="key")
    (one,) = said(engine, "study", STUDY)
    assert (one.concept, one.source, one.origin) == (GLIOMA, "report", "RIS")
    assert (one.author, one.stated_at, one.recorded_by) == (
        stated.author,
        stated.stated_at,
        "key",
    )
    assert one.recorded_at.year > 2020


def test_what_is_withdrawn_no_longer_counts_and_stays(engine: Engine, ids: dict[str, int]) -> None:
    record(engine, of_study(STUDY, "glioma"), of_instance("1.2", "bleed"))
    assert copies(engine) == {"1.1": ["glioma"], "1.2": ["bleed", "glioma"], "2.1": []}
    ended = withdraw(engine, of_study(STUDY, "glioma"), "another patient's report")
    assert copies(engine) == {"1.1": [], "1.2": ["bleed"], "2.1": []}
    assert (ended.ended_as, ended.ended_by) == ("withdrawn", "Y")
    assert ended.ended_because == "another patient's report"
    assert said(engine, "study", STUDY) == [ended]
    assert said(engine, "study", STUDY, history=False) == []
    with engine.begin() as connection:
        again = withdraw_label(connection, ended.label_id, "once more", by="Z")
    assert again == ended


def test_what_is_withdrawn_may_be_said_again(engine: Engine, ids: dict[str, int]) -> None:
    record(engine, of_instance("1.1", "glioma"))
    withdraw(engine, of_instance("1.1", "glioma"))
    assert record(engine, of_instance("1.1", "glioma")).recorded == 1
    assert copies(engine)["1.1"] == ["glioma"]
    assert [one.ended_as for one in said(engine, "instance", "1.1")] == ["withdrawn", None]


def test_a_withdrawal_names_a_label_of_its_subject_and_a_reason(
    engine: Engine, ids: dict[str, int]
) -> None:
    record(engine, of_instance("1.1", "glioma"))
    with engine.begin() as connection:
        number = find_statement(connection, of_instance("1.1", "glioma")).label_id
        for subject in (("instance", "1.2"), ("study", STUDY), ("study", "1.1")):
            with pytest.raises(LabelUnknown):
                withdraw_label(connection, number, "typo", subject=subject)  # type: ignore[arg-type]
        with pytest.raises(LabelUnknown):
            withdraw_label(connection, number + 1, "typo")
        with pytest.raises(InvalidParameter, match="why"):
            withdraw_label(connection, number, "  ")
    assert copies(engine)["1.1"] == ["glioma"]


def test_an_instances_labels_are_its_own_and_its_studys(
    engine: Engine, ids: dict[str, int]
) -> None:
    record(
        engine, of_study(STUDY, "glioma"), of_instance("1.1", "bleed"), of_instance("1.2", "other")
    )
    assert [one.label for one in said(engine, "instance", "1.1")] == ["glioma", "bleed"]
    assert [one.label for one in said(engine, "study", STUDY)] == ["glioma"]
    with engine.connect() as connection:
        assert find_labels(connection, "instance", "1.1").in_gallery
        waiting = find_labels(connection, "study", "9.9")
    assert (waiting.in_gallery, waiting.labels) == (False, ())


def test_a_prediction_is_marked_and_in_no_filter(engine: Engine, ids: dict[str, int]) -> None:
    record(engine, of_instance("1.1", "glioma", "prediction"), of_instance("1.1", "bleed", "AI"))
    assert copies(engine)["1.1"] == []
    assert all(one.is_prediction for one in said(engine, "instance", "1.1"))
    record(engine, of_instance("1.1", "glioma", "pathology"))
    assert copies(engine)["1.1"] == ["glioma"]


def test_what_nobody_gave_makes_no_difference_to_a_re_send(engine: Engine) -> None:
    full = LabelRecord(
        "1.1", None, "glioma", author="Dr. X", stated_at=datetime(2020, 1, 2, tzinfo=UTC)
    )
    assert record(engine, full).recorded == 1
    assert record(engine, full, by="other") == LabelReport(0, 0, 1, 1, 1)
    assert record(engine, of_instance("1.1", "glioma")) == LabelReport(0, 0, 1, 1, 1)
    for changed in (
        replace(full, author="Dr. Y"),
        replace(full, author="Dr. Y", stated_at=datetime(2021, 1, 2, tzinfo=UTC)),
        replace(full, author="Dr. Y", stated_at=None, concept=GLIOMA),
    ):
        assert record(engine, changed) == LabelReport(1, 1, 0, 1, 1)


def test_without_replacing_only_the_same_label_ends(engine: Engine, ids: dict[str, int]) -> None:
    record(engine, of_instance("1.1", "bleed", "report"))
    coded = replace(of_instance("1.1", "glioma", "report"), concept=GLIOMA)
    reports = []
    for one in (of_instance("1.1", "glioma", "report"), coded, coded):
        with engine.begin() as connection:
            reports.append(record_labels(connection, [one], replace=False))
    assert reports == [
        LabelReport(1, 0, 0, 1, 0),
        LabelReport(1, 1, 0, 1, 0),
        LabelReport(0, 0, 1, 1, 0),
    ]
    assert copies(engine)["1.1"] == ["bleed", "glioma"]


def test_statements_that_contradict_each_other_are_refused(engine: Engine) -> None:
    plain = of_instance("1.1", "glioma")
    with pytest.raises(InvalidLabels) as raised:
        record(engine, of_instance("1.2", "bleed"), plain, plain, replace(plain, concept=GLIOMA))
    assert [fault.line for fault in raised.value.faults] == [4]
    with engine.connect() as connection:
        assert find_vocabulary(connection) == []


def test_two_sources_may_say_the_same(engine: Engine, ids: dict[str, int]) -> None:
    record(
        engine,
        of_instance("1.1", "glioma", "report"),
        of_instance("1.1", "glioma", "pathology"),
        of_instance("1.1", "glioma", "board"),
        of_instance("1.1", "glioma"),
    )
    withdraw(engine, of_instance("1.1", "glioma", "report"))
    withdraw(engine, of_instance("1.1", "glioma"))
    assert copies(engine)["1.1"] == ["glioma"]
    record(engine, of_instance("1.1", "bleed", "board"))
    assert copies(engine)["1.1"] == ["bleed", "glioma"]


def test_the_labels_in_use_are_counted(engine: Engine, ids: dict[str, int]) -> None:
    coded = replace(of_study(STUDY, "glioma", "report"), concept=GLIOMA)
    record(
        engine,
        coded,
        of_instance("1.1", "bleed", "board"),
        of_instance("2.1", "bleed", "prediction"),
        of_instance("7.7", "bleed", "board"),
        of_instance("1.2", "old", "board"),
    )
    record(engine, of_instance("1.2", "bleed", "board"))
    with engine.connect() as connection:
        bleed, glioma = find_vocabulary(connection)
        assert find_vocabulary(connection, limit=1) == [bleed]
    assert (bleed.label, bleed.concept, bleed.instances, bleed.studies) == ("bleed", None, 3, 0)
    assert (bleed.waiting, bleed.sources) == (1, {"import": 3, "prediction": 1})
    assert (glioma.concept, glioma.instances, glioma.studies) == (GLIOMA, 0, 1)


def test_the_database_keeps_what_ends_whole(engine: Engine) -> None:
    record(engine, of_instance("1.1", "glioma"))
    for fault in ("ended_at = now()", "ended_as = 'withdrawn'", "code = '1'", "source = 'x'"):
        with pytest.raises(Exception, match="check constraint"), engine.begin() as connection:
            connection.execute(text(f"UPDATE label SET {fault}"))
