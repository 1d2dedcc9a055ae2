from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.receive import Receiver
from tests.support.objects import ct_dataset, write_file


def patient_keys(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(
            connection.scalars(text("SELECT patient_key::text FROM instance ORDER BY instance_id"))
        )


def test_a_patient_keeps_its_key_from_study_to_study(
    engine: Engine, take: Receiver, tmp_path: Path
) -> None:
    for number, dataset in enumerate(
        [
            ct_dataset(patient_id="A-1"),
            ct_dataset(patient_id="A-1"),
            ct_dataset(patient_id="A-1", IssuerOfPatientID="ELSEWHERE"),
            ct_dataset(patient_id="A-2"),
        ]
    ):
        import_file(take, write_file(tmp_path / f"{number}.dcm", dataset))
    same, again, of_another_issuer, other = patient_keys(engine)
    assert same == again
    assert len({same, of_another_issuer, other}) == 3


def test_without_patient_id_a_study_is_a_patient(
    engine: Engine, take: Receiver, tmp_path: Path
) -> None:
    first = ct_dataset(patient_id="")
    for number, dataset in enumerate(
        [
            first,
            ct_dataset(patient_id="", study_instance_uid=first.StudyInstanceUID),
            ct_dataset(PatientID=None),
        ]
    ):
        import_file(take, write_file(tmp_path / f"{number}.dcm", dataset))
    here, here_too, elsewhere = patient_keys(engine)
    assert here == here_too
    assert here != elsewhere


def test_nothing_of_the_patient_is_in_the_database(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    secrets: dict[str, Any] = {
        "PatientName": "Winterbottom^Zoe",
        "PatientID": "ZQ-4711",
        "OtherPatientIDs": "ZQ-9",
    }
    dataset = ct_dataset(**secrets)
    rival = ct_dataset(sop_instance_uid=dataset.SOPInstanceUID, **secrets)
    for number, made in enumerate((dataset, rival)):
        import_file(take, write_file(tmp_path / f"{number}.dcm", made))
    words = ("Winterbottom", "ZQ-4711", "ZQ-9")
    with engine.connect() as connection:
        tables = connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ).all()
        found = "".join(
            str(row) for table in tables for row in connection.scalars(text(_AS_TEXT % table))
        )
    assert dataset.SOPInstanceUID in found
    for word in words:
        assert word not in found
        assert word.encode().hex() not in found
    assert not any(word in name for name in store.names() for word in words)


_AS_TEXT = 'SELECT t::text FROM "%s" t'
