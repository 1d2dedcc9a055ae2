"""An object whose dataset has come whole, on its way to being acknowledged."""

from collections.abc import Callable
from dataclasses import dataclass

from dicom_node.errors import DicomError
from dicom_node.incoming import IncomingFile
from dicom_node.receive import AnnouncedObject, Outcome, ReceivedObject
from dicom_node.unexpected import as_dicom_error


@dataclass(eq=False)
class Arrival:
    """An object and who waits for its outcome; in the hands of one thread at a time.

    `is_synced` once the disk was waited for; `failure` says why the object is not on it.
    """

    file: IncomingFile
    announced: AnnouncedObject
    source: str
    done: Callable[[Outcome], None]
    received: ReceivedObject | None = None
    failure: DicomError | None = None
    is_synced: bool = False

    def sync(self) -> None:
        """Wait for the disk, unless that was done."""
        if self.is_synced:
            return
        self.is_synced = True
        try:
            self.file.sync()
        except Exception as error:
            self.failure = as_dicom_error(error)

    def publish(self) -> None:
        """Wait until the file is synced, and give it its name."""
        self.sync()
        try:
            if self.failure is None:
                self.file.publish()
        except Exception as error:
            self.failure = as_dicom_error(error)
