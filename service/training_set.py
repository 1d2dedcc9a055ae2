"""Labelled slices of the gallery, as a list to train from. It reads rows only; no pixels, no torch.

Patients appear as their keys; no name and no id leaves the gallery.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from dicom_node.files import ObjectStore
from model.manifest import ManifestRow
from service.admission.wording import NOT_ADMITTED
from service.errors import InvalidParameter
from service.labels.record import CONFIRMED

FOLDS = 5
_SALT = b"precuneus training folds\0"


@dataclass(frozen=True)
class GallerySlices:
    """Slices with one confirmed label each.

    `sources` counts the slices by who said so; `left_out` counts instances that have labels but
    cannot be used, by reason.
    """

    rows: tuple[ManifestRow, ...]
    sources: Mapping[str, int]
    left_out: Mapping[str, int]

    def statement(self) -> str:
        """What the data is, for the checkpoint."""
        patients = len({row.patient_id for row in self.rows})
        labels = Counter(row.label for row in self.rows)
        return (
            f"{len(self.rows)} slices of {patients} patients of a hospital's own gallery; "
            f"labels: {_counts(labels)}; confirmed by: {_counts(self.sources)}"
        )


def _counts(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(numbers.items()))


def fold_of(patient_key: UUID) -> int:
    """The fold of a patient, 1 to 5: the same whenever and wherever the gallery is read.

    Hashed again with a salt of its own, so that folds are independent of any other use of the key.
    """
    digest = hashlib.sha256(_SALT + patient_key.bytes).digest()
    return int.from_bytes(digest[:8], "big") % FOLDS + 1


def gallery_slices(
    connection: Connection,
    store: ObjectStore,
    *,
    sources: Collection[str] = (),
    study_labels: bool = False,
) -> GallerySlices:
    """The instances whose label was recorded for them, with its source.

    Predictions do not count. `sources` narrows to labels of some sources or origins. With
    `study_labels` an instance without a label of its own takes its study's, though not every slice
    of a study shows the disease. Left out are instances of several frames or several labels, and
    those that the worker has not embedded.

    Raises:
        InvalidParameter: no slice is left.
    """
    rows, used, left_out = [], Counter[str](), Counter[str]()
    found = connection.execute(
        text(_LABELLED.format(confirmed=CONFIRMED)), {"sources": list(sources), "any": not sources}
    )
    for _, group in groupby(found, key=lambda row: row.sop_instance_uid):
        facts = list(group)
        own = [fact for fact in facts if fact.own]
        told = own or (facts if study_labels else [])
        if not told:
            left_out["only its study has a label"] += 1
        elif reason := _unusable(facts[0], {fact.label for fact in told}):
            left_out[reason] += 1
        else:
            rows.append(_row(facts[0], told[0].label, store.path(facts[0].file_name)))
            used.update({fact.source for fact in told})
    if not rows:
        raise InvalidParameter(f"The gallery has no slice to train on{_because(left_out.items())}.")
    return GallerySlices(tuple(rows), dict(used), dict(left_out))


_LABELLED = """
    SELECT i.sop_instance_uid, i.patient_key, i.frames, i.state, i.reason, i.file_name,
           s.series_instance_uid, s.modality, l.label, l.own,
           coalesce(l.origin, l.source) AS source
    FROM instance i JOIN series s USING (series_id) JOIN study t USING (study_id)
    CROSS JOIN LATERAL (
        SELECT label, source, origin, true AS own FROM label
        WHERE label.sop_instance_uid = i.sop_instance_uid AND {confirmed}
        UNION ALL
        SELECT label, source, origin, false FROM label
        WHERE label.study_instance_uid = t.study_instance_uid AND {confirmed}) l
    WHERE :any OR l.source = ANY (:sources) OR l.origin = ANY (:sources)
    ORDER BY i.sop_instance_uid, l.label, source"""


def _unusable(fact: Any, labels: set[str]) -> str | None:
    if len(labels) > 1:
        return "several labels"
    if fact.frames != 1:
        return "several frames"
    if fact.state == "pending":
        return "not embedded yet"
    if (fact.reason or "").startswith(NOT_ADMITTED):
        return "not admitted"
    return None if fact.state == "embedded" else "not decodable"


def _row(fact: Any, label: str, path: Path) -> ManifestRow:
    return ManifestRow(
        path=path,
        sop_instance_uid=fact.sop_instance_uid,
        series_instance_uid=fact.series_instance_uid,
        patient_id=fact.patient_key.hex,
        modality=fact.modality,
        label=label,
        fold=fold_of(fact.patient_key),
        group_kind="patient",
        lesion_box=None,
    )


def _because(left_out: Iterable[tuple[str, int]]) -> str:
    reasons = "; ".join(f"{number} left out: {reason}" for reason, number in left_out)
    return f" ({reasons})" if reasons else ": label some with `precuneus gallery label`"
