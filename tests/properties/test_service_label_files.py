"""Any bytes as a table of labels: all of it is recorded, or nothing and a clear error."""

from collections.abc import Iterator
from datetime import datetime
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, text

from service.errors import InvalidParameter
from service.labels.faults import InvalidLabels
from service.labels.importing import import_labels
from service.labels.record import SOURCES
from tests.support.databases import fresh_database
from tests.support.labels import read_text

CELLS = st.sampled_from(
    [
        *("sop_instance_uid", "study_instance_uid", "label", "source", "scheme", "code"),
        *("1.2.3", "1.2.4", "glioma", "SCT", "393564001", "2026-01-02", "", '"', "\0", "\\N", "\\"),
    ]
) | st.text(max_size=6)
TABLES = st.lists(st.lists(CELLS, max_size=7).map(",".join), max_size=6).map("\n".join)
CONTENTS = st.binary(max_size=80) | TABLES.map(lambda table: table.encode("utf-8", "surrogatepass"))
HEADED = CONTENTS.map(
    lambda content: b"sop_instance_uid,label,source,scheme,code,author,stated_at\n" + content
)
GOOD_LINES = st.tuples(
    st.sampled_from(["1.2.3", "1.2.4", "1.2.5"]),
    st.sampled_from(["glioma", "\\N", "\\", "a\\tb", "腫瘍"]),
    st.sampled_from([*SOURCES, "board", ""]),
    *(st.just(""),) * 4,
)
GOOD = st.lists(GOOD_LINES.map(",".join), min_size=1, max_size=6).map(
    lambda lines: (
        b"sop_instance_uid,label,source,scheme,code,author,stated_at\n" + "\n".join(lines).encode()
    )
)


@pytest.fixture(scope="module")
def labels_only(cluster_url: str) -> Iterator[Engine]:
    """A gallery that nothing is committed to."""
    with fresh_database(cluster_url) as url:
        engine = create_engine(url)
        yield engine
        engine.dispose()


@settings(deadline=None)
@given(CONTENTS | HEADED)
def test_any_bytes_are_labels_or_are_refused(content: bytes) -> None:
    try:
        records, faults = read_text(content)
    except InvalidParameter:
        return
    assert len(faults.listed) == faults.count
    for record in records:
        assert (record.sop_instance_uid is None) != (record.study_instance_uid is None)
        uid = record.sop_instance_uid or record.study_instance_uid or ""
        assert 0 < len(uid) <= 64
        assert set(uid) <= set("0123456789.")
        assert 0 < len(record.label) <= 200
        assert record.source
        record.label.encode()
        assert "\0" not in record.label + record.source
        assert record.stated_at is None or isinstance(record.stated_at, datetime)


@settings(deadline=None, max_examples=60)
@given(HEADED | GOOD)
def test_any_table_is_recorded_as_a_whole_or_not_at_all(
    labels_only: Engine, content: bytes
) -> None:
    def import_it(connection: object) -> int:
        return import_labels(connection, BytesIO(content), "labels.csv").recorded  # type: ignore[arg-type]

    refused: InvalidParameter | None = None
    with labels_only.connect() as connection:
        try:
            recorded = import_it(connection)
        except InvalidParameter as error:
            refused, recorded = error, 0
        rows = connection.execute(text("SELECT sop_instance_uid, label FROM label")).all()
        assert len(rows) == recorded
        if refused is not None:
            assert "labels.csv" in str(refused)
            lines = content.count(b"\n") + content.count(b"\r") + 1
            faults = refused.faults if isinstance(refused, InvalidLabels) else ()
            assert all(1 < fault.line <= lines for fault in faults)
            return
        records, told = read_text(content)
        assert told.count == 0
        assert {tuple(row) for row in rows} == {(r.sop_instance_uid, r.label) for r in records}
        assert import_it(connection) == 0
