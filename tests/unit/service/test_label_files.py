from pathlib import Path

import pytest

from service.errors import InvalidParameter
from service.labels import LabelRecord, read_labels


def written(tmp_path: Path, content: str | bytes) -> Path:
    file = tmp_path / "labels.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def test_both_kinds_of_subject_and_a_source(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "sop_instance_uid,study_instance_uid,label,source\n"
        "1.2,,glioma,pathology\n"
        ",1.3, bleed ,\n"
        "1.4,1.3,meningioma,board\n",
    )
    assert read_labels(file) == [
        LabelRecord("1.2", None, "glioma", "pathology"),
        LabelRecord(None, "1.3", "bleed", "import"),
        LabelRecord("1.4", None, "meningioma", "board"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "label,study_instance_uid\nglioma,1.2\n",
        "\ufefflabel,study_instance_uid\r\nglioma,1.2\r\n",
        'other,label,study_instance_uid\n"a ""b"", c",glioma,1.2\n',
        "label,study_instance_uid\nglioma,1.2,more,cells\n\n",
    ],
)
def test_tables_as_spreadsheets_write_them(tmp_path: Path, content: str) -> None:
    assert read_labels(written(tmp_path, content)) == [LabelRecord(None, "1.2", "glioma", "import")]


def test_a_header_alone_is_no_label(tmp_path: Path) -> None:
    assert read_labels(written(tmp_path, "sop_instance_uid,label\n")) == []


@pytest.mark.parametrize("content", ["", "\n", "uid,label\n1.2,a\n", "sop_instance_uid\n1.2\n"])
def test_a_missing_column_is_told(tmp_path: Path, content: str) -> None:
    with pytest.raises(InvalidParameter, match=r"labels\.csv needs a header line"):
        read_labels(written(tmp_path, content))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (",glioma", "a UID and a label"),
        ("1.2,", "a UID and a label"),
        ("1.2", "a UID and a label"),
        ("Winterbottom,glioma", "not a UID"),
        ("1" * 65 + ",glioma", "not a UID"),
        ("１.２,glioma", "not a UID"),
        ("1.2," + "x" * 201, "at most 200"),
        ("1.2,gli\0oma", ""),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, line: str, fault: str) -> None:
    content = f"sop_instance_uid,label\n1.1,glioma\n{line}\n"
    with pytest.raises(InvalidParameter, match=rf"labels\.csv, line 3: .*{fault}") as raised:
        read_labels(written(tmp_path, content))
    assert "Winterbottom" not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [
        "sop_instance_uid,label\n1.2,Ödem\n".encode("latin-1"),
        "sop_instance_uid,label\n1.2,x\n".encode("utf-16"),
        b"sop_instance_uid,label\n1.2," + b"x" * 200_000 + b"\n",
    ],
)
def test_a_file_that_is_no_utf8_table_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidParameter, match=r"labels\.csv"):
        read_labels(written(tmp_path, content))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="none"):
        read_labels(tmp_path / "none")
