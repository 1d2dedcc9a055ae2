"""The REST API as a process."""

import uvicorn
from sqlalchemy import Engine

from service.api.app import create_app
from service.api.deps import Resources
from service.api.uploading import UploadGate
from service.child import follow_parent
from service.db.engine import make_replica_engines
from service.decoding import DecodePool
from service.errors import ConfigurationError
from service.explaining import EncoderFiles
from service.keys import accept_key, any_valid
from service.logs import configure_logs
from service.metrics import ApiMetrics
from service.network_process import NetworkProcess
from service.opening import object_store, open_gallery, patient_keyer
from service.processes.signals import stop_event
from service.settings import HttpSettings, Settings

_DRAIN_S = 15
_PREVIEW_TIMEOUT_S = 10.0


def run_api(settings: Settings) -> int:
    """Answer requests until SIGTERM.

    Raises:
        ConfigurationError: the API would be reachable from other machines without a key.
    """
    configure_logs()
    follow_parent()
    with open_gallery(settings) as engine:
        require_key(engine, settings.http)
        worker = settings.worker
        resources = Resources(
            engine=engine,
            store=object_store(settings),
            pool=DecodePool(1, _PREVIEW_TIMEOUT_S, worker.decode_memory_mb),
            metrics=ApiMetrics(),
            keyer=patient_keyer(settings, engine),
            encoder_files=EncoderFiles(settings.state_dir, settings.encoder),
            network=NetworkProcess(),
            demands_key=settings.http.demands_key,
            uploads=UploadGate(settings.http),
            labels=settings.labels,
            standbys=make_replica_engines(settings.database),
            maximum_staleness_s=settings.database.maximum_staleness_s,
        )
        config = uvicorn.Config(
            create_app(resources),
            host=settings.http.host,
            port=settings.http.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_S,
        )
        server = uvicorn.Server(config)
        # uvicorn raises the signal that ended it once more; unhandled, it would end us in mid-air.
        stop_event(lambda: setattr(server, "should_exit", True))
        server.run()
    return 0


def require_key(engine: Engine, http: HttpSettings) -> None:
    """Take over the key of the secret, and refuse to be reachable from elsewhere without any.

    Raises:
        ConfigurationError: there is no key, or the secret cannot be read.
    """
    with engine.begin() as connection:
        if http.api_key_file is not None:
            try:
                key = http.api_key_file.read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is not text"
                raise ConfigurationError(
                    f"The API key file {http.api_key_file} cannot be read: {reason}."
                ) from None
            accept_key(connection, key)
        if http.demands_key and not any_valid(connection):
            raise ConfigurationError(
                f"The API on {http.host} demands API keys, and none exists: make one with "
                "`precuneus api key create NAME`, or stay on 127.0.0.1 without them."
            )
