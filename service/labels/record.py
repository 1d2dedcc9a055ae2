"""One label as it is said, before it is written: of what, what, in which code, by whom and when.

Which of the written ones count stands here, too, for everybody who reads the table `label`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from service.labels.coding import Concept

Source = Literal["report", "pathology", "import", "prediction"]
SOURCES: tuple[Source, ...] = get_args(Source)

CURRENT = "ended_at IS NULL"
"""SQL: the statement holds; it was neither withdrawn nor replaced."""

CONFIRMED = "ended_at IS NULL AND source <> 'prediction'"
"""SQL: it holds, and a person stands behind it. Nothing else is evidence or trains a network."""


@dataclass(frozen=True)
class LabelRecord:
    """One statement about an instance or about a whole study (exactly one is set).

    `label` is the short text that filters and training use. `source` is one of SOURCES, or a free
    text that `service.labels.provenance` maps to one. None of `author` or `stated_at` means that
    nobody said: the writer's name and the time of writing are noted then.
    """

    sop_instance_uid: str | None
    study_instance_uid: str | None
    label: str
    source: str = "import"
    origin: str | None = None
    concept: Concept | None = None
    author: str | None = None
    stated_at: datetime | None = None
