"""The DICOM node as a process: settle what an interrupted run left, then receive."""

import gc
import logging
import resource
from threading import Event, Thread

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.configure import configure_pydicom, configure_pynetdicom
from dicom_node.errors import DicomError
from dicom_node.network.deadlines import Deadlines
from dicom_node.network.gate import Limits
from dicom_node.scp import NodeConfig, StorageNode
from dicom_node.storing import StorageLimits
from service.associations.observing import RecordingObserver
from service.associations.recorder import AssociationRecorder
from service.calling import own_tls_files
from service.child import follow_parent
from service.commitment.service import CommitmentService
from service.dicom_settings import DicomSettings
from service.housekeeping.keeper import Housekeeping
from service.known_peers import KnownPeers
from service.logs import configure_logs
from service.metrics import NodeMetrics
from service.opening import node_receiver, object_store, open_gallery, recovering_receiver
from service.processes.signals import stop_event
from service.recover import recover, settle_unfinished
from service.settings import Settings
from service.tls import require_tls_files, tls_acceptance

_OTHER_FILES = 256
_RECOVERY_PAUSE_S = 30.0
_LOG = logging.getLogger("precuneus.node")


def run_node(settings: Settings) -> int:
    """Receive objects until SIGTERM; running associations may end within the drain time."""
    configure_logs()
    configure_pydicom()
    configure_pynetdicom()
    follow_parent()
    stopped = stop_event()
    require_tls_files(settings.dicom.tls)
    _allow_open_files(settings.dicom)
    metrics = NodeMetrics()
    with (
        open_gallery(settings) as engine,
        node_receiver(settings, engine) as taking,
        KnownPeers(engine, settings.dicom) as known_peers,
        AssociationRecorder(engine, metrics.unrecorded) as recorder,
    ):
        store = object_store(settings)
        settle_unfinished(engine, store)
        dicom = settings.dicom
        commitment = CommitmentService(engine, store, dicom.ae_title, own_tls_files(dicom))
        housekeeping = Housekeeping(settings, engine)
        node = StorageNode(
            node_config(settings.dicom),
            taking,
            RecordingObserver(metrics, recorder),
            take_commitment=commitment.take,
            vet=known_peers.vet,
        )
        gc.freeze()  # What is loaded by now stays: no collection need look through it again.
        node.start()
        commitment.start()
        housekeeping.start()
        recovery = Thread(target=_recover, args=(settings, engine, stopped))
        recovery.start()
        stopped.wait()
        node.stop(settings.dicom.drain_s)
        housekeeping.stop()
        commitment.stop()
        recovery.join()
    return 0


def node_config(dicom: DicomSettings) -> NodeConfig:
    """The node's configuration as the settings have it."""
    return NodeConfig(
        ae_title=dicom.ae_title,
        host=dicom.host,
        port=dicom.port if dicom.plain else None,
        tls=tls_acceptance(dicom.tls),
        max_pdu=dicom.maximum_pdu_bytes,
        limits=Limits(
            associations=dicom.maximum_associations,
            associations_per_peer=dicom.maximum_associations_per_peer,
            half_open=dicom.maximum_half_open,
        ),
        deadlines=Deadlines(
            handshake_s=dicom.tls.handshake_timeout_s,
            request_s=dicom.request_timeout_s,
            idle_s=dicom.idle_timeout_s,
            pdu_s=dicom.pdu_timeout_s,
            send_s=dicom.send_timeout_s,
            close_s=dicom.close_timeout_s,
            minimum_rate=dicom.minimum_rate,
        ),
        storage=StorageLimits(
            object_bytes=dicom.maximum_object_mb << 20, free_bytes=dicom.free_space_mb << 20
        ),
    )


def _allow_open_files(dicom: DicomSettings) -> None:
    """Let the process hold a socket and a file for each association, as far as the system does."""
    needed = 2 * dicom.maximum_associations + dicom.maximum_half_open + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _recover(settings: Settings, engine: Engine, stopped: Event) -> None:
    """Register what has no row, beside receiving: an archive of millions takes its time."""
    while not stopped.is_set():
        try:
            store = object_store(settings)
            taking = recovering_receiver(settings, engine)
            report = recover(engine, store, taking, stopped.is_set)
        except (DicomError, SQLAlchemyError, OSError) as error:
            fields = {"action": "recover.failed", "error": type(error).__name__}
            _LOG.warning("recovery is tried again", extra=fields)
            stopped.wait(_RECOVERY_PAUSE_S)
        else:
            _LOG.info("recovered", extra={"action": "recovered"} | vars(report))
            return
