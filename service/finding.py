"""What `precuneus doctor` says of one thing that it looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `remedy` says what to do where the verdict is not `ok`.

    `facts` are the same as figures, for scripts.
    """

    subject: str
    verdict: Literal["ok", "note", "wrong"]
    detail: str
    remedy: str = ""
    facts: Mapping[str, str | float | None] = field(default_factory=dict)
