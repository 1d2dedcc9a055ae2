"""The options that say which of a peer's studies are meant."""

from datetime import date, datetime
from typing import Annotated

import typer

from dicom_node.requesting.selection import Selection
from dicom_node.uids import is_uid
from service.errors import InvalidParameter

FromOption = Annotated[str, typer.Option("--from", help="The peer's name or AE title.")]
StudyOption = Annotated[str | None, typer.Option(help="Study Instance UID.")]
ModalityOption = Annotated[str | None, typer.Option(help="Modalities, such as CT,MR.")]
SinceOption = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First study date, as 2024-01-31.")
]
UntilOption = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last study date (today).")
]
BodyPartOption = Annotated[
    str | None,
    typer.Option(help="Body parts, such as HEAD,BRAIN; a series without one is taken, too."),
]


def selection_of(
    study: str | None,
    modality: str | None,
    since: datetime | None,
    until: datetime | None,
    body_part: str | None,
) -> Selection:
    """The selection that the options make.

    Raises:
        InvalidParameter: they would mean a whole archive, or nothing at all.
    """
    if study is not None and not is_uid(study):
        raise InvalidParameter("A Study Instance UID is digits and dots.")
    if study is None and since is None:
        raise InvalidParameter("Say which study (--study) or from which day on (--since).")
    if study is not None and (since or until):
        raise InvalidParameter("A study by its UID (--study) has no --since or --until.")
    first, last = _day(since), _day(until)
    if first and last and last < first:
        raise InvalidParameter("--until lies before --since.")
    return Selection(study, _codes(modality), _codes(body_part), first, last)


def _day(time: datetime | None) -> date | None:
    return time.date() if time else None


def _codes(text: str | None) -> tuple[str, ...]:
    codes = (part.strip().upper() for part in (text or "").split(","))
    return tuple(dict.fromkeys(code for code in codes if code))
