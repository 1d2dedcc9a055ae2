"""The DICOM node as a process: recover what an interrupted run left, then receive."""

import logging

from dicom_node.configure import configure_pydicom, configure_pynetdicom
from dicom_node.scp import NodeConfig, StorageNode
from service.child import follow_parent
from service.logs import configure_logs
from service.metrics import NodeMetrics
from service.opening import object_store, open_gallery, receiver
from service.processes.signals import stop_event
from service.recover import recover
from service.settings import Settings

_DRAIN_S = 20.0
_LOG = logging.getLogger("precuneus.node")


def run_node(settings: Settings) -> int:
    """Receive objects until SIGTERM; running associations may end within the drain time."""
    configure_logs()
    configure_pydicom()
    configure_pynetdicom()
    follow_parent()
    stopped = stop_event()
    with open_gallery(settings) as engine:
        gallery_receiver = receiver(settings, engine)
        report = recover(engine, object_store(settings), gallery_receiver)
        _LOG.info("recovered", extra={"action": "recovered"} | vars(report))
        config = NodeConfig(
            ae_title=settings.dicom.ae_title,
            host=settings.dicom.host,
            port=settings.dicom.port,
            max_associations=settings.dicom.maximum_associations,
        )
        node = StorageNode(config, gallery_receiver, NodeMetrics())
        node.start()
        stopped.wait()
        node.stop(_DRAIN_S)
    return 0
