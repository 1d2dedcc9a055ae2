"""Studies of an archive that cuts its answers off, loudly or in silence."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event

from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.finding import STUDY_ROOT_FIND, finder
from dicom_node.requesting.listing import SUSPICIOUS, StudyList, list_studies
from dicom_node.requesting.selection import FoundSeries, Selection

MARCH = Selection(since=date(2024, 3, 1), until=date(2024, 3, 31))


@dataclass(frozen=True)
class Study:
    uid: str
    day: str
    time: str


def within(value: str, wanted: str) -> bool:
    """Range matching (PS3.4 C.2.2.2.5)."""
    first, _, last = wanted.partition("-")
    return not wanted or bool(value and first <= value <= last)


@contextmanager
def archive(studies: list[Study], limit: int, final: int = 0x0000) -> Iterator[PeerAddress]:
    """An archive that answers with `limit` studies at most, and then with the status `final`."""

    def find(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        query = event.identifier
        found = [
            study
            for study in studies
            if within(study.day, query.get("StudyDate") or "")
            and within(study.time, query.get("StudyTime") or "")
        ]
        for study in found[:limit]:
            answer = Dataset()
            answer.StudyInstanceUID = study.uid
            yield 0xFF00, answer
        if len(found) > limit and final:
            yield final, None

    entity = AE("ARCHIVE")
    entity.add_supported_context(STUDY_ROOT_FIND)
    server = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, find)]
    )
    try:
        yield PeerAddress("127.0.0.1", server.server_address[1], "ARCHIVE", "PRECUNEUS")
    finally:
        server.shutdown()


def listed(address: PeerAddress, selection: Selection) -> StudyList:
    with finder(address) as asking:
        *_, last = list_studies(asking, selection, date(2024, 6, 1))
    return last


def busy_month() -> list[Study]:
    """A month with a day on which more studies were made than an answer holds."""
    spread = [Study(f"1.2.1.{n}", f"202403{n % 30 + 1:02}", "080000") for n in range(90)]
    crowd = [Study(f"1.2.2.{n}", "20240315", f"{n % 24:02}{n % 60:02}00") for n in range(300)]
    return spread + crowd


@pytest.mark.parametrize("final", [0x0000, 0xFE00, 0xA700])
def test_all_studies_are_found_however_answers_are_cut(final: int) -> None:
    studies = busy_month()
    with archive(studies, SUSPICIOUS, final) as address:
        found = listed(address, MARCH)
    # No comparison of the sets: pytest takes minutes to describe how long ones differ.
    assert {study.uid for study in studies} - found.uids.keys() == set()
    assert len(found.uids) == len(studies)
    assert found.cut == []


def test_what_cannot_be_split_further_is_told() -> None:
    """All at once, as an import dates them; or without any time, as some scanners do."""
    for time in ("120000", ""):
        studies = [Study(f"1.2.{n}", "20240315", time) for n in range(SUSPICIOUS + 5)]
        with archive(studies, SUSPICIOUS, 0xFE00) as address:
            found = listed(address, MARCH)
        assert len(found.uids) == SUSPICIOUS
        assert found.cut
        assert found.cut[-1].startswith("20240315-20240315")


def test_days_ahead_of_ours_and_years_are_asked_for() -> None:
    studies = [Study("1.1", "20230101", "080000"), Study("1.2", "20240602", "080000")]
    with archive(studies, SUSPICIOUS) as address:
        assert set(listed(address, Selection(since=date(2023, 1, 1))).uids) == {"1.1", "1.2"}
        assert set(listed(address, Selection(since=date(2023, 1, 2))).uids) == {"1.2"}
        assert set(listed(address, Selection("1.9")).uids) == {"1.9"}


@pytest.mark.parametrize(
    ("series", "taken"),
    [
        (FoundSeries("1", "CT", "HEAD", 1), True),
        (FoundSeries("1", "CT", None, 1), True),
        (FoundSeries("1", None, "BRAIN", 1), True),
        (FoundSeries("1", "CT", "CHEST", 1), False),
        (FoundSeries("1", "PT", "HEAD", 1), False),
    ],
)
def test_what_a_peer_leaves_unsaid_excludes_nothing(series: FoundSeries, taken: bool) -> None:
    assert Selection(modalities=("CT", "MR"), body_parts=("HEAD", "BRAIN")).takes(series) is taken


def test_an_association_that_is_lost_between_queries_is_made_again() -> None:
    studies = [Study("1.1", "20240315", "080000")]
    with archive(studies, SUSPICIOUS) as address, finder(address) as asking:
        assert asking.studies(dates="20240301-20240331").uids == ("1.1",)
        asking._association.abort()
        assert asking.studies(dates="20240301-20240331").uids == ("1.1",)
