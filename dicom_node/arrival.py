"""An object whose dataset has come whole, on its way to being acknowledged."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from dicom_node.errors import DicomError
from dicom_node.incoming import IncomingFile
from dicom_node.receive import AnnouncedObject, Outcome, ReceivedObject
from dicom_node.unexpected import as_dicom_error


@dataclass(eq=False)
class Arrival:
    """An object and who waits for its outcome.

    `settled` is set once it is known whether its file is on the disk, or `failure` says why not.
    """

    file: IncomingFile
    announced: AnnouncedObject
    source: str
    done: Callable[[Outcome], None]
    received: ReceivedObject | None = None
    failure: DicomError | None = None
    settled: threading.Event = field(default_factory=threading.Event)

    def begin_sync(self) -> None:
        """Have the disk start."""
        self.file.begin_sync()

    def sync(self) -> None:
        """Wait for the disk."""
        try:
            self.file.sync()
        except Exception as error:
            self.failure = as_dicom_error(error)
        self.settled.set()

    def publish(self) -> None:
        """Wait until the file is synced, and give it its name."""
        self.settled.wait()
        try:
            if self.failure is None:
                self.file.publish()
        except Exception as error:
            self.failure = as_dicom_error(error)
