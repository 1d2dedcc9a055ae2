from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidParameter
from service.labels import LabelRecord, read_labels

CELLS = st.sampled_from(
    ["sop_instance_uid", "study_instance_uid", "label", "source", "1.2.3", "glioma", "", '"', "\0"]
) | st.text(max_size=6)
TABLES = st.lists(st.lists(CELLS, max_size=5).map(",".join), max_size=5).map("\n".join)
CONTENTS = st.binary(max_size=80) | TABLES.map(lambda table: table.encode("utf-8", "surrogatepass"))
HEADED = CONTENTS.map(lambda content: b"sop_instance_uid,label,source\n" + content)


@settings(deadline=None)
@given(CONTENTS | HEADED)
def test_any_bytes_are_labels_or_are_refused(content: bytes) -> None:
    records: list[LabelRecord] = []
    with TemporaryDirectory() as folder:
        file = Path(folder) / "labels.csv"
        file.write_bytes(content)
        with suppress(InvalidParameter):
            records = read_labels(file)
    for record in records:
        assert (record.sop_instance_uid is None) != (record.study_instance_uid is None)
        uid = record.sop_instance_uid or record.study_instance_uid or ""
        assert 0 < len(uid) <= 64
        assert set(uid) <= set("0123456789.")
        assert 0 < len(record.label) <= 200
        assert record.source
        assert "\0" not in record.label + record.source
