"""Tables of labels: all of it or nothing."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.encoders.registry import ActiveEncoder
from service.errors import InvalidParameter
from service.labels.faults import InvalidLabels
from service.labels.importing import import_file
from service.labels.staging import BLOCK
from service.labels.writing import LabelReport
from tests.support.galleries import MadeInstance, fill
from tests.support.labels import copies, import_text, of_instance, record
from tests.support.stored import count_rows

HEAD = "sop_instance_uid,study_instance_uid,label,source\n"


def test_a_table_says_what_became_of_it(engine: Engine, ids: dict[str, int]) -> None:
    record(
        engine,
        of_instance("1.1", "bleed", "board"),
        of_instance("1.2", "bleed", "board"),
        of_instance("1.2", "other", "board"),
    )
    table = HEAD + "1.1,,bleed,board\n1.2,,glioma,board\n,1.2.826.1.2,glioma,\n9.9,,glioma,\n"
    assert import_text(engine, table) == LabelReport(
        recorded=3, replaced=2, unchanged=1, subjects=4, waiting=1
    )
    assert copies(engine) == {"1.1": ["bleed"], "1.2": ["glioma"], "2.1": ["glioma"]}
    assert import_text(engine, table) == LabelReport(0, 0, 4, 4, 1)


def test_of_a_table_with_bad_lines_nothing_is_imported(engine: Engine, ids: dict[str, int]) -> None:
    record(engine, of_instance("1.1", "bleed"))
    lines = [f"1.1,,label {n},\n" for n in range(2 * BLOCK)]
    lines[0], lines[BLOCK + 1], lines[-1] = "x,,glioma,\n", "1.1,,,\n", "1.1,,label 7,\n"
    lines[-2] = ",y,glioma,\n"
    with pytest.raises(InvalidLabels) as raised:
        import_text(engine, HEAD + "".join(lines))
    assert [fault.line for fault in raised.value.faults] == [2, BLOCK + 3, 2 * BLOCK]
    assert count_rows(engine, "label") == 1
    assert copies(engine)["1.1"] == ["bleed"]


def test_lines_that_contradict_each_other_are_told_with_the_others(engine: Engine) -> None:
    table = (
        "sop_instance_uid,label,author\n"
        "1.1,glioma,Dr. X\n"
        "1.1,glioma,Dr. X\n"
        "1.1,glioma,Dr. Y\n"
        "x,glioma,\n"
        "1.2,glioma,Dr. X\n"
        "1.2,glioma,\n"
    )
    with pytest.raises(InvalidLabels) as raised:
        import_text(engine, table)
    assert [fault.line for fault in raised.value.faults] == [4, 5, 7]
    assert "line 2" in raised.value.faults[0].fault
    assert count_rows(engine, "label") == 0


def test_a_trial_changes_nothing_and_says_what_would_be(
    engine: Engine, ids: dict[str, int], tmp_path: Path
) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(HEAD + "1.1,,glioma,\n9.9,,glioma,\n")
    expected = LabelReport(2, 0, 0, 2, 1)
    assert import_file(engine, file, dry_run=True) == expected
    assert count_rows(engine, "label") == 0
    assert copies(engine)["1.1"] == []
    assert import_file(engine, file) == expected
    assert copies(engine)["1.1"] == ["glioma"]


def test_a_file_that_cannot_be_read_is_refused(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="none"):
        import_file(engine, tmp_path / "none")


def test_a_large_table_tells_how_far_it_is(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(HEAD + "".join(f"1.{n},,glioma,\n" for n in range(2 * BLOCK + 5)))
    heard: list[int] = []
    report = import_file(engine, file, advance=heard.append)
    assert heard == [BLOCK, 2 * BLOCK, 2 * BLOCK + 5]
    assert (report.recorded, report.waiting) == (2 * BLOCK + 5, 2 * BLOCK + 5)


def test_texts_arrive_as_they_are(engine: Engine, encoder: ActiveEncoder) -> None:
    label = '\\N \\t "läsion", 腫瘍 100 %'
    fill(engine, [MadeInstance("1.1")])
    quoted = label.replace('"', '""')
    assert import_text(engine, f'sop_instance_uid,label\n1.1,"{quoted}"\n').recorded == 1
    assert record(engine, of_instance("1.1", label)).unchanged == 1
