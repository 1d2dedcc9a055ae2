"""The node's observer: metrics of everything, and the record of associations."""

from dicom_node.observer import AssociationEvent, NodeObserver
from service.associations.recorder import AssociationRecorder


class RecordingObserver:
    """Tells metrics what happens, and the recorder who came."""

    def __init__(self, metrics: NodeObserver, recorder: AssociationRecorder) -> None:
        self.received = metrics.received
        self.stored = metrics.stored
        self.refused = metrics.refused
        self._metrics, self._recorder = metrics, recorder

    def association(self, event: AssociationEvent) -> None:
        """Something became of a peer."""
        self._metrics.association(event)
        self._recorder.association(event)
