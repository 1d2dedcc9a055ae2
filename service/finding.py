"""What `precuneus doctor` says of one thing that it looked at."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `remedy` says what to do where the verdict is not `ok`."""

    subject: str
    verdict: Literal["ok", "note", "wrong"]
    detail: str
    remedy: str = ""
