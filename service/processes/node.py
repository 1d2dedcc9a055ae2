"""The DICOM node as a process: settle what an interrupted run left, then receive."""

import logging
from threading import Event, Thread

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.commitment_handler import commitment_handlers
from dicom_node.configure import configure_pydicom, configure_pynetdicom
from dicom_node.errors import DicomError
from dicom_node.receive import Receiver
from dicom_node.scp import NodeConfig, StorageNode
from service.child import follow_parent
from service.commitment.service import CommitmentService
from service.housekeeping import Housekeeping
from service.logs import configure_logs
from service.metrics import NodeMetrics
from service.opening import object_store, open_gallery, receiver
from service.processes.signals import stop_event
from service.recover import recover, settle_unfinished
from service.settings import Settings

_DRAIN_S = 20.0
_RECOVERY_PAUSE_S = 30.0
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
        settle_unfinished(engine, object_store(settings))
        config = NodeConfig(
            ae_title=settings.dicom.ae_title,
            host=settings.dicom.host,
            port=settings.dicom.port,
            max_associations=settings.dicom.maximum_associations,
        )
        commitment = CommitmentService(engine, object_store(settings), settings.dicom.ae_title)
        services = commitment_handlers(commitment.take)
        node = StorageNode(config, gallery_receiver, NodeMetrics(), services)
        node.start()
        commitment.start()
        housekeeping = Housekeeping(settings, engine)
        housekeeping.start()
        recovery = Thread(target=_recover, args=(settings, engine, gallery_receiver, stopped))
        recovery.start()
        stopped.wait()
        node.stop(_DRAIN_S)
        housekeeping.stop()
        commitment.stop()
        recovery.join()
    return 0


def _recover(
    settings: Settings, engine: Engine, gallery_receiver: Receiver, stopped: Event
) -> None:
    """Register what has no row, beside receiving: an archive of millions takes its time."""
    while not stopped.is_set():
        try:
            store = object_store(settings)
            report = recover(engine, store, gallery_receiver, stopped.is_set)
        except (DicomError, SQLAlchemyError, OSError) as error:
            fields = {"action": "recover.failed", "error": type(error).__name__}
            _LOG.warning("recovery is tried again", extra=fields)
            stopped.wait(_RECOVERY_PAUSE_S)
        else:
            _LOG.info("recovered", extra={"action": "recovered"} | vars(report))
            return
