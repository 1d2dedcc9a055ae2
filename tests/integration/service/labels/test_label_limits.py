"""Tables beyond a limit: nothing of them is imported, and what to do is told."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from service.errors import Unavailable
from service.labels.copies import hold_labels, lock_labels
from service.labels.faults import InvalidLabels, TableTooLarge
from service.labels.importing import import_file
from service.labels.staging import BLOCK
from service.settings import LabelSettings
from tests.support.labels import copies, import_text, of_instance, record
from tests.support.stored import count_rows

HEAD = "sop_instance_uid,label\n"


def test_as_many_lines_as_are_allowed_are_imported(engine: Engine) -> None:
    table = HEAD + "1.1,glioma\n\n1.2,glioma\n"
    assert import_text(engine, table, maximum_lines=3).recorded == 2


@pytest.mark.parametrize("most", [1, BLOCK, BLOCK + 1])
def test_of_a_table_of_too_many_lines_nothing_is_imported(
    engine: Engine, ids: dict[str, int], most: int
) -> None:
    record(engine, of_instance("1.1", "bleed"))
    lines = ["1.1,glioma\n", *(f"3.{n},glioma\n" for n in range(most))]
    with pytest.raises(TableTooLarge, match=f"more than {most} lines") as raised:
        import_text(engine, HEAD + "".join(lines), maximum_lines=most)
    assert "PRECUNEUS_LABELS__MAXIMUM_LINES" in str(raised.value)
    assert "all lines of a UID in the same part" in str(raised.value)
    assert count_rows(engine, "label") == 1
    assert copies(engine)["1.1"] == ["bleed"]


def test_a_file_of_too_many_bytes_is_not_read(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(HEAD + "1.1,glioma\n" * 100_000)
    with pytest.raises(TableTooLarge, match="more than 1 MiB"):
        import_file(engine, file, LabelSettings(maximum_mb=1))
    assert count_rows(engine, "label") == 0


def test_a_line_without_an_end_is_told_and_not_kept_in_memory(engine: Engine) -> None:
    with pytest.raises(InvalidLabels, match="line 3: no CSV from here on"):
        import_text(engine, HEAD + "1.1,glioma\n1.2," + "x" * (3 << 20))
    assert count_rows(engine, "label") == 0


def test_an_import_that_takes_too_long_leaves_nothing(engine: Engine, ids: dict[str, int]) -> None:
    """Its labels are written already when it waits for the copies of them."""
    with engine.connect() as worker:
        hold_labels(worker)
        with pytest.raises(TableTooLarge, match=r"longer than 0.3 s") as raised:
            import_text(engine, HEAD + "1.1,glioma\n", timeout_s=0.3)
    assert "PRECUNEUS_LABELS__TIMEOUT_S" in str(raised.value)
    assert count_rows(engine, "label") == 0
    assert copies(engine)["1.1"] == []
    assert import_text(engine, HEAD + "1.1,glioma\n").recorded == 1


def test_an_import_waits_for_another_and_says_so(engine: Engine) -> None:
    hasty = create_engine(engine.url, connect_args={"options": "-c lock_timeout=300"})
    with engine.connect() as other:
        lock_labels(other)
        with pytest.raises(Unavailable, match="other labels are being recorded"):
            import_text(hasty, HEAD + "1.1,glioma\n")
    hasty.dispose()
    assert count_rows(engine, "label") == 0


def test_the_limit_of_time_ends_with_the_import(engine: Engine) -> None:
    with engine.connect() as connection:
        before = connection.exec_driver_sql("SHOW statement_timeout").scalar_one()
    import_text(engine, HEAD + "1.1,glioma\n", timeout_s=77)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar_one() == before
