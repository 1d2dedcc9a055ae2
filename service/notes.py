"""What an installation notes of itself, each note in a row of JSON, read without trusting it.

A restored backup, another version or a person's hand may have left anything there.
"""

from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy import Connection, select

from service.db.tables import installation
from service.errors import NoteUnreadable

# The last second of the year 9999, beyond which no date can be told.
Moment = Annotated[float, Field(ge=0, le=253402300799, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, lt=1 << 31)]

_Note = TypeVar("_Note")


def read_note(connection: Connection, name: str, kind: TypeAdapter[_Note]) -> _Note | None:
    """The note of that name, None if there is none yet.

    Raises:
        NoteUnreadable: it is no such note; what stands there is not told.
    """
    value = connection.scalar(select(installation.c.value).where(installation.c.name == name))
    if value is None:
        return None
    try:
        return kind.validate_json(value, strict=True)
    except ValidationError:
        raise NoteUnreadable(f"What is noted as {name} cannot be read.") from None
