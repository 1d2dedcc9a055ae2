"""One thing that the doctor looked at."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """What was found; `remedy` says what to do where the verdict is not `ok`."""

    subject: str
    verdict: Literal["ok", "note", "wrong"]
    detail: str
    remedy: str = ""
