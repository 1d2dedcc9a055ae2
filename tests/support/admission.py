"""Galleries with rules of admission, and objects that they are about."""

from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage
from sqlalchemy import Engine, text

from dicom_node.importing import import_file
from dicom_node.receive import Receiver, Registration
from service.opening import receiver
from service.settings import GallerySettings, Settings
from tests.support.objects import ct_dataset, write_file

NEURO = (
    "drop modality=SR,KO; store image_type=LOCALIZER; drop sop_class=SecondaryCaptureImageStorage; "
    'admit modality=CT,MR body_part=HEAD,BRAIN,""; otherwise store'
)
LOCALIZER_RULE = "not admitted: rule 2, store image_type=LOCALIZER"
SCREENSHOT_RULE = "not admitted: rule 3, drop sop_class=SecondaryCaptureImageStorage"
OTHERWISE_RULE = "not admitted: no rule is about it, otherwise store"


def with_rules(settings: Settings, admit: str) -> Settings:
    """The same settings, with these rules of admission."""
    return settings.model_copy(update={"gallery": GallerySettings(admit=admit)})


def import_under(
    settings: Settings, engine: Engine, admit: str, folder: Path, *datasets: Dataset
) -> list[Registration]:
    """Import datasets under rules; what became of each."""
    take: Receiver = receiver(with_rules(settings, admit), engine)
    files = [write_file(folder / f"{d.SOPInstanceUID}.dcm", d) for d in datasets]
    return [import_file(take, file)[0] for file in files]


def head(**changes: object) -> Dataset:
    """A CT slice of a head."""
    return ct_dataset(BodyPartExamined="HEAD", **changes)


def localizer(**changes: object) -> Dataset:
    """A localizer of a head."""
    return head(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], **changes)


def screenshot(**changes: object) -> Dataset:
    """A picture of somebody's screen."""
    return head(SOPClassUID=SecondaryCaptureImageStorage, **changes)


def states(engine: Engine) -> dict[str, tuple[str, str | None, bool]]:
    """State and reason of each instance, and whether it is queued, by UID."""
    statement = text("""
        SELECT sop_instance_uid, state, reason, j.instance_id IS NOT NULL
        FROM instance LEFT JOIN embedding_job j USING (instance_id)""")
    with engine.connect() as connection:
        return {
            uid: (s, reason, queued) for uid, s, reason, queued in connection.execute(statement)
        }


def dropped(engine: Engine) -> dict[str, tuple[str, int]]:
    """Reason of each object that was dropped, and how often it came, by UID."""
    statement = text("SELECT sop_instance_uid, reason, times FROM dropped_object")
    with engine.connect() as connection:
        return {uid: (reason, times) for uid, reason, times in connection.execute(statement)}
