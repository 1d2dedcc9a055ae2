"""Key Object Selection documents, such as a PACS sends when images are rejected."""

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import generate_uid

from dicom_node.rejection import KEY_OBJECT_SELECTION


def key_object_selection(rejected: Sequence[Dataset], code: str, *, scheme: str = "DCM") -> Dataset:
    """A document of that title which refers to the given objects of one study."""
    title = Dataset()
    title.CodeValue, title.CodingSchemeDesignator = code, scheme
    title.CodeMeaning = "Rejected"
    document = Dataset()
    document.SOPClassUID = KEY_OBJECT_SELECTION
    document.SOPInstanceUID = generate_uid()
    document.StudyInstanceUID = rejected[0].StudyInstanceUID
    document.SeriesInstanceUID = generate_uid()
    document.PatientID = rejected[0].PatientID
    document.PatientName = "Nobody^At^All"
    document.Modality = "KO"
    document.ConceptNameCodeSequence = Items([title])
    document.CurrentRequestedProcedureEvidenceSequence = Items([_evidence(rejected)])
    return document


def _evidence(rejected: Sequence[Dataset]) -> Dataset:
    study = Dataset()
    study.StudyInstanceUID = rejected[0].StudyInstanceUID
    study.ReferencedSeriesSequence = Items([])
    for dataset in rejected:
        reference, series = Dataset(), Dataset()
        reference.ReferencedSOPClassUID = dataset.SOPClassUID
        reference.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
        series.SeriesInstanceUID = dataset.SeriesInstanceUID
        series.ReferencedSOPSequence = Items([reference])
        study.ReferencedSeriesSequence.append(series)
    return study
