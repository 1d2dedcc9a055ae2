from pathlib import Path

from sqlalchemy import Engine

from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.receive import Receiver
from service.deletion.deleting import Cause, delete_subject
from service.housekeeping import Housekeeping
from service.settings import Settings
from tests.support.databases import away
from tests.support.objects import ct_dataset, write_file
from tests.support.waiting import eventually


def test_files_of_what_was_deleted_are_removed_although_the_database_was_away(
    settings: Settings,
    engine: Engine,
    take: Receiver,
    store: ObjectStore,
    tmp_path: Path,
    cluster_url: str,
    database_url: str,
) -> None:
    import_file(take, write_file(tmp_path / "a.dcm", ct_dataset(study_instance_uid="1.2.3")))
    delete_subject(engine, "study", "1.2.3", Cause("command", "operator"))
    housekeeping = Housekeeping(settings, engine, pause_s=0.05)
    with away(cluster_url, database_url):
        housekeeping.start()
    eventually(lambda: list(store.names()) == [], "the file is removed")
    housekeeping.stop()
