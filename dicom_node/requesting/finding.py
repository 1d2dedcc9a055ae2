"""C-FIND in the study root model: which studies, series and instances a peer has (PS3.4 C.4.1).

No key about a patient is asked for, so nothing about one comes.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from dicom_node.errors import AssociationFailed, QueryFailed
from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.associating import associated
from dicom_node.requesting.reactor import ask
from dicom_node.requesting.selection import FoundSeries
from dicom_node.uids import is_uid
from dicom_node.values import integer_of, text_of

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
UNCOMPRESSED = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]
_PENDING = frozenset({0xFF00, 0xFF01})
_MAX_COUNT = 2**31 - 1


@dataclass(frozen=True)
class QueryLevel:
    """A level's keys: those with a value in the query, and those that it asks to be answered."""

    level: str
    matching: tuple[str, ...]
    returned: tuple[str, ...]

    def query(self, values: Mapping[str, str]) -> Dataset:
        """The identifier of a query; a matching key without a value is left empty."""
        query = Dataset()
        query.QueryRetrieveLevel = self.level
        for keyword in (*self.matching, *self.returned):
            setattr(query, keyword, values.get(keyword, ""))
        return query


STUDY = QueryLevel("STUDY", ("StudyDate", "StudyTime", "ModalitiesInStudy"), ("StudyInstanceUID",))
SERIES = QueryLevel(
    "SERIES",
    ("StudyInstanceUID",),
    ("SeriesInstanceUID", "Modality", "BodyPartExamined", "NumberOfSeriesRelatedInstances"),
)
IMAGE = QueryLevel(
    "IMAGE", ("StudyInstanceUID", "SeriesInstanceUID"), ("SOPInstanceUID", "SOPClassUID")
)
QUERY_LEVELS = (STUDY, SERIES, IMAGE)


@dataclass(frozen=True)
class FoundInstance:
    """An instance of a peer's; `sop_class_uid` is None where it does not say."""

    sop_instance_uid: str
    sop_class_uid: str | None


@dataclass(frozen=True)
class FoundStudies:
    """Study Instance UIDs; `complete` is False where the peer itself says that there are more."""

    uids: tuple[str, ...]
    complete: bool


class _Unanswered(Exception):
    """The association ended before the answer did."""


class Finder:
    """Asks a peer over one association, or a second one where the first is lost.

    Archives end associations that were idle for a while.
    """

    def __init__(self, address: PeerAddress) -> None:
        """Associate; raises AssociationFailed as `associated` does."""
        self._address = address
        self._stack = ExitStack()
        self._association = self._associate()

    def _associate(self) -> Association:
        contexts = [build_context(STUDY_ROOT_FIND, UNCOMPRESSED)]
        return self._stack.enter_context(associated(self._address, contexts))

    def close(self) -> None:
        """Release the association."""
        self._stack.close()

    def studies(self, *, dates: str = "", times: str = "", modality: str = "") -> FoundStudies:
        """The studies whose date and time lie in a range such as 20240101-20240131.

        Raises:
            QueryFailed: the peer gives no answer.
        """
        values = {"StudyDate": dates, "StudyTime": times, "ModalitiesInStudy": modality}
        answers, status = self._find(STUDY, values)
        return FoundStudies(tuple(_uids(answers, "StudyInstanceUID")), status == 0x0000)

    def series(self, study_instance_uid: str) -> list[FoundSeries]:
        """The series of a study.

        Raises:
            QueryFailed: the peer gives no answer, or only a part of it.
        """
        values = {"StudyInstanceUID": study_instance_uid}
        return [
            FoundSeries(
                answer.SeriesInstanceUID,
                _code(answer, "Modality"),
                _code(answer, "BodyPartExamined"),
                integer_of(answer, "NumberOfSeriesRelatedInstances", 0, _MAX_COUNT),
            )
            for answer in self._all(SERIES, values, "SeriesInstanceUID")
        ]

    def instances(self, study_instance_uid: str, series_instance_uid: str) -> list[FoundInstance]:
        """The instances of a series; none where the peer does not answer at this level.

        Raises:
            QueryFailed: the peer gives no answer, or only a part of it.
        """
        values = {
            "StudyInstanceUID": study_instance_uid,
            "SeriesInstanceUID": series_instance_uid,
        }
        return [
            FoundInstance(str(answer.SOPInstanceUID), text_of(answer, "SOPClassUID"))
            for answer in self._all(IMAGE, values, "SOPInstanceUID")
        ]

    def _all(self, level: QueryLevel, values: dict[str, str], unique: str) -> list[Dataset]:
        answers, status = self._find(level, values)
        if status != 0x0000:
            raise QueryFailed(f"the peer ended a {level.level} query with 0x{status:04X}")
        kept = dict(zip(_uids(answers, unique, strict=True), answers, strict=True))
        return list(kept.values())

    def _find(self, level: QueryLevel, values: dict[str, str]) -> tuple[list[Dataset], int]:
        query = level.query(values)
        try:
            return self._ask(query)
        except _Unanswered:
            self._stack.close()
            self._association = self._associate()
        try:
            return self._ask(query)
        except _Unanswered:
            raise QueryFailed(f"the peer did not answer a {level.level} query") from None

    def _ask(self, query: Dataset) -> tuple[list[Dataset], int]:
        answers: list[Dataset] = []
        try:
            responses = ask(
                self._association, self._association.send_c_find, query, STUDY_ROOT_FIND
            )
        except AssociationFailed:
            raise _Unanswered from None
        for status, identifier in responses:
            if status.get("Status") is None:
                raise _Unanswered
            if status.Status not in _PENDING:
                return answers, int(status.Status)
            if identifier is not None:
                answers.append(identifier)
        raise _Unanswered


@contextmanager
def finder(address: PeerAddress) -> Iterator[Finder]:
    """A finder, closed at the end.

    Raises:
        AssociationFailed: the peer does not take queries.
    """
    asking = Finder(address)
    try:
        yield asking
    finally:
        asking.close()


def _uids(answers: list[Dataset], keyword: str, *, strict: bool = False) -> list[str]:
    """The answers' unique keys; one that is no UID cannot be asked for, and is an error if strict.

    Raises:
        QueryFailed: an answer's unique key is missing or no UID.
    """
    found = [(text_of(answer, keyword, 256) or "").strip(" \0") for answer in answers]
    if strict and not all(map(is_uid, found)):
        raise QueryFailed(f"the peer answered a query without a valid {keyword}")
    return [uid for uid in found if is_uid(uid)]


def _code(answer: Dataset, keyword: str) -> str | None:
    return (text_of(answer, keyword, 16) or "").upper() or None
