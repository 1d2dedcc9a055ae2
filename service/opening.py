"""Opens the gallery for a command or a process: database, schema, object store and patient keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from dicom_node.files import ObjectStore
from dicom_node.receive import Receiver
from service.admission.loading import load_rules
from service.db.engine import open_database
from service.db.migrate import current_revision, head_revision, upgrade
from service.errors import ConfigurationError
from service.ingest import GalleryRegistrar, GroupRegistrar
from service.patients import PatientKeyer, check_patient_keyer, load_patient_keyer
from service.settings import Settings
from service.state_dir import make_state_dir


@contextmanager
def open_gallery(settings: Settings) -> Iterator[Engine]:
    """The gallery's engine with the schema this program needs.

    The embedded database is brought up to date by whoever opens it; a server of the hospital's own
    is migrated only by `precuneus db upgrade`.

    Raises:
        ConfigurationError: the schema of an external server is not the one needed, or the rules of
            admission cannot be read.
        PostgresError: the embedded server does not start.
    """
    load_rules(settings)
    make_state_dir(settings.state_dir)
    with open_database(settings) as engine:
        if settings.has_embedded_database:
            upgrade(engine)
        else:
            require_schema(engine)
        yield engine


def require_schema(engine: Engine) -> None:
    """Make sure that the migrations have run.

    Raises:
        ConfigurationError: the database's revision is not this program's.
    """
    with engine.connect() as connection:
        revision, head = current_revision(connection), head_revision()
    if revision != head:
        raise ConfigurationError(
            f"The database is at revision {revision or 'none'}, this program needs {head}: "
            "run `precuneus db upgrade`."
        )


def object_store(settings: Settings) -> ObjectStore:
    """The folder of received objects."""
    return ObjectStore(settings.state_dir)


def patient_keyer(settings: Settings, engine: Engine) -> PatientKeyer:
    """This installation's patient keys, checked against the gallery.

    Raises:
        ConfigurationError: the secret cannot be read, or is not the gallery's.
    """
    keyer = load_patient_keyer(secret_file(settings))
    with engine.begin() as connection:
        check_patient_keyer(connection, keyer)
    return keyer


def secret_file(settings: Settings) -> Path:
    """Where the secret of the patient keys is."""
    return settings.patient_key_file or settings.state_dir / "secrets" / "patient_key"


def receiver(settings: Settings, engine: Engine) -> Receiver:
    """What imports store and register with."""
    store = object_store(settings)
    keyer, rules = patient_keyer(settings, engine), load_rules(settings)
    return Receiver(store, GalleryRegistrar(engine, keyer, store, rules))


def recovering_receiver(settings: Settings, engine: Engine) -> Receiver:
    """What recovery registers with: a file may be all that is left, so no rule drops its object."""
    store = object_store(settings)
    keyer, rules = patient_keyer(settings, engine), load_rules(settings)
    return Receiver(store, GalleryRegistrar(engine, keyer, store, rules.keeping_all()))


@contextmanager
def node_receiver(settings: Settings, engine: Engine) -> Iterator[Receiver]:
    """What the node stores and registers with: objects that wait share a commit."""
    store = object_store(settings)
    keyer, rules = patient_keyer(settings, engine), load_rules(settings)
    registrar = GroupRegistrar(engine, keyer, store, rules)
    try:
        yield Receiver(store, registrar, registrar.register_group)
    finally:
        registrar.close()
