"""Tries rules on files, without taking them in."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dicom_node.errors import DicomError
from dicom_node.importing import open_dicom_file
from service.admission.rules import Action, AdmissionRules, ObjectFacts
from service.admission.wording import name_of


@dataclass(frozen=True)
class Tried:
    """What rules say of a file, and which of them says so; or why the file holds no object."""

    path: str
    action: Action | None = None
    rule: str | None = None
    fault: str | None = None


def try_rules(
    rules: AdmissionRules, files: Iterable[Path], calling_ae_title: str
) -> Iterator[Tried]:
    """What becomes of each file's object, should it come from that calling AE title."""
    for path in files:
        try:
            header = open_dicom_file(path).header
        except DicomError as error:
            yield Tried(str(path), fault=str(error))
            continue
        decision = rules.decide(ObjectFacts.of(header, calling_ae_title))
        yield Tried(str(path), decision.action, name_of(decision))
