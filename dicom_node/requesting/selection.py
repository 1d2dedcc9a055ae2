"""What is wanted of a peer's archive: a study, or those of some days, modalities, body parts."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class FoundSeries:
    """A series as a peer describes it; None where it does not say."""

    series_instance_uid: str
    modality: str | None
    body_part: str | None
    instances: int | None


@dataclass(frozen=True)
class Selection:
    """One study by its UID, or the studies of a time; of these, series by modality and body part.

    Empty `modalities` or `body_parts` take all; codes are in capitals. Days are inclusive.
    """

    study_instance_uid: str | None = None
    modalities: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None

    def takes(self, series: FoundSeries) -> bool:
        """Whether a series is wanted.

        What a peer leaves unsaid excludes nothing: many archives do not answer the body part, and a
        head that is silently left out is worse than a foot that is fetched.
        """
        modality, body_part = series.modality, series.body_part
        return (not self.modalities or modality is None or modality in self.modalities) and (
            not self.body_parts or body_part is None or body_part in self.body_parts
        )
