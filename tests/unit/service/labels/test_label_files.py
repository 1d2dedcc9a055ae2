import pytest

from service.errors import InvalidParameter
from service.labels.coding import Concept
from service.labels.faults import MAXIMUM_LISTED, InvalidLabels, LineFault
from service.labels.record import LabelRecord
from tests.support.labels import SCT_GLIOMA, read_text


def test_both_kinds_of_subject_and_a_source() -> None:
    assert read_text(
        "sop_instance_uid,study_instance_uid,label,source\n"
        "1.2,,glioma,pathology\n"
        ",1.3, bleed ,\n"
        "1.4,1.3,meningioma,board\n"
    )[0] == [
        LabelRecord("1.2", None, "glioma", "pathology"),
        LabelRecord(None, "1.3", "bleed", "import"),
        LabelRecord("1.4", None, "meningioma", "board"),
    ]


def test_all_that_can_be_said() -> None:
    records, faults = read_text(
        "study_instance_uid,label,scheme,code,meaning,source,origin,author,stated_at\n"
        "1.3,astro,99ward,A.7,Astrocytoma,report,RIS,Dr. Ypsilon,2026-01-02T03:04:05+01:00\n"
    )
    assert not faults.count
    (record,) = records
    assert record.concept == Concept("99WARD", "A.7", "Astrocytoma")
    assert (record.label, record.source, record.origin) == ("astro", "report", "RIS")
    assert record.author == "Dr. Ypsilon"
    assert record.stated_at is not None
    assert record.stated_at.isoformat() == "2026-01-02T02:04:05+00:00"


def test_a_known_code_is_enough() -> None:
    ((record,), _) = read_text(f"sop_instance_uid,scheme,code\n1.2,sct,{SCT_GLIOMA}\n")
    assert (record.label, record.concept) == ("glioma", Concept("SCT", SCT_GLIOMA, "Glioma"))


def test_a_label_without_a_code_gets_none() -> None:
    ((record,), _) = read_text("sop_instance_uid,label\n1.2,glioma\n")
    assert record.concept is None


@pytest.mark.parametrize(
    "content",
    [
        "label,study_instance_uid\nglioma,1.2\n",
        "\ufefflabel,study_instance_uid\r\nglioma,1.2\r\n",
        'other,label,study_instance_uid\n"a ""b"", c",glioma,1.2\n',
        "label,study_instance_uid\nglioma,1.2,more,cells\n\n",
        "Label , Study_Instance_UID,stray\nglioma,1.2\n,,\n",
    ],
)
def test_tables_as_spreadsheets_write_them(content: str) -> None:
    assert read_text(content)[0] == [LabelRecord(None, "1.2", "glioma", "import")]


def test_a_header_alone_is_no_label() -> None:
    records, faults = read_text("sop_instance_uid,label\n")
    assert (records, faults.count) == ([], 0)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "uid,label\n1.2,a\n",
        "sop_instance_uid\n1.2\n",
        "sop_instance_uid,code\n1.2,1\n",
        "sop_instance_uid;label\n1.2;a\n",
        "sop_instance_uid,label\n1.2,x\n".encode("utf-16"),
        b"x" * 200_000,
    ],
)
def test_a_missing_column_is_told(content: str | bytes) -> None:
    with pytest.raises(InvalidParameter, match=r"labels\.csv needs a header line"):
        read_text(content)


def test_a_column_that_stands_twice_is_told() -> None:
    with pytest.raises(InvalidParameter, match=r"column label more than once"):
        read_text("sop_instance_uid,label,label\n1.2,a,b\n")


CODED = "sop_instance_uid,label,scheme,code,meaning,source,origin,stated_at"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (",glioma", "a UID and a label"),
        ("1.2,", "a UID and a label"),
        ("1.2", "a UID and a label"),
        ("Winterbottom,glioma", "not a UID"),
        ("1..2,glioma", "not a UID"),
        ("1" * 65 + ",glioma", "not a UID"),
        ("１.２,glioma", "not a UID"),
        ("1.2," + "x" * 201, "label has at most 200"),
        ("1.2,gli\0oma", "one line of text"),
        ('1.2,"gli\noma"', "one line of text"),
        ("1.2,x,SCT", "belong together"),
        ("1.2,x,,,Glioma", "belong together"),
        ("1.2,x,ICD10,C71,Glioma", "scheme is SCT"),
        ("1.2,x,SCT,393564002,Glioma", "check digit"),
        ("1.2,x,SCT,C71,Glioma", "number of 6 to 18 digits"),
        ("1.2,x,RADLEX,4026,Glioma", "RID and digits"),
        ("1.2,x,99WARD,7", "meaning"),
        ("1.2,x,,,,board,RIS", "where an origin is given"),
        ("1.2,x,,,,,,yesterday", "stated_at is a date"),
        ("1.2,x,,,,,,2999-01-01", "future"),
        ("1.2,x,,,,,,0001-01-01T00:00+14:00", "stated_at"),
    ],
)
def test_a_fault_is_told_with_its_line(line: str, fault: str) -> None:
    records, faults = read_text(f"{CODED}\n1.1,glioma\n{line}\n1.3,bleed\n")
    assert [record.sop_instance_uid for record in records] == ["1.1", "1.3"]
    assert [told.line for told in faults.listed] == [3]
    assert fault in faults.listed[0].fault
    assert "Winterbottom" not in faults.listed[0].fault


def test_all_bad_lines_are_told_by_where_they_begin() -> None:
    _, faults = read_text(
        b'sop_instance_uid,label\n\n"1.1","two\nlines"\n1.2,x\nno,x\n1.3,\n'
        + "1.4,Ödem\n".encode("latin-1")
    )
    assert [fault.line for fault in faults.listed] == [3, 6, 7, 8]
    assert "UTF-8" in faults.listed[3].fault


def test_where_the_csv_ends_the_reading_ends() -> None:
    content = 'sop_instance_uid,label\n1.1,x\n1.2,"y\n' + "1.3,z\n" * 40_000
    records, faults = read_text(content)
    assert len(records) == 1
    assert [fault.line for fault in faults.listed] == [3]
    assert "never closed" in faults.listed[0].fault


def test_of_many_bad_lines_the_first_are_listed_and_all_counted() -> None:
    _, faults = read_text("sop_instance_uid,label\n" + "x,y\n" * 250)
    assert (len(faults.listed), faults.count) == (MAXIMUM_LISTED, 250)
    error = InvalidLabels("labels.csv", faults)
    assert error.faults[0] == LineFault(
        2, "that is not a UID (digits and dots, at most 64 characters)"
    )
    assert "labels.csv: nothing is imported, since 250 lines" in str(error)
    assert "… and 150 more" in str(error)
    assert error.members["fault_count"] == 250
