"""Times as people type them: "1h", "2d", or a date."""

import re
from datetime import datetime, timedelta

from service.errors import InvalidParameter

_AGO = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_since(text: str, now: datetime) -> datetime:
    """The time that `text` names: so long before `now`, or a date or time, here unless it says so.

    Raises:
        InvalidParameter: it names none.
    """
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise InvalidParameter(
            f"{text} is no time: say 30m, 1h, 2d, or a date as 2024-01-31 or 2024-01-31T08:00."
        ) from None
