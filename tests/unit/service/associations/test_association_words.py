import pytest

from service.associations.record import is_failure
from service.associations.words import words_of
from tests.support.association_records import made_record

MR_DEFLATED = "1.2.840.10008.5.1.4.1.1.4 with 1.2.840.10008.1.2.1.99"


def test_where_all_went_well_there_is_nothing_to_say() -> None:
    assert words_of(made_record()) == ""


def test_a_rejection_is_said_as_the_node_said_it() -> None:
    said = "called AE title was ARCHIVE, ours is PRECUNEUS"
    assert words_of(made_record(outcome="rejected", reason=said)) == said


def test_refused_contexts_go_by_their_names() -> None:
    record = made_record(refused_contexts=3, first_refused_contexts=(MR_DEFLATED, "1.2.3"))
    names = "MR Image Storage with Deflated Explicit VR Little Endian, 1.2.3"
    assert words_of(record) == f"presentation contexts refused: {names} and 1 more"


def test_refused_objects_are_counted_by_what_their_status_means() -> None:
    record = made_record(answers={"0x0000": 7, "0xA700": 2, "0xC123": 1, "0xB007": 4})
    full, malformed = words_of(record).split("; ")
    assert full.startswith("2 refused with 0xA700 (disk or database did not take it")
    assert malformed.startswith("1 refused with 0xC123 (cannot be understood")


def test_connections_without_a_request_are_told_apart() -> None:
    scan = {"calling_ae_title": None, "outcome": "lost", "reason": "the connection broke"}
    assert words_of(made_record(**scan)) == "no association was asked for: the connection broke"
    many = words_of(made_record(connections=300, **scan))
    assert many == "300 connections asked for no association; the last: the connection broke"


@pytest.mark.parametrize("status", [0x0000, 0x0001, 0x0107, 0x0116, 0xB000, 0xBFFF, 0xFE00, 0xFF00])
def test_a_status_that_says_no_failure(status: int) -> None:
    assert not is_failure(status)


@pytest.mark.parametrize("status", [0x0110, 0x0124, 0x0211, 0xA700, 0xA900, 0xC000, 0xCFFF])
def test_a_status_that_says_failure(status: int) -> None:
    assert is_failure(status)
