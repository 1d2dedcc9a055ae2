"""Opaque patient keys: enough to tell that two slices are of one patient, and no more.

A key is a keyed hash (HMAC-SHA256, cut to 128 bits) of Issuer of Patient ID and Patient ID. Without
the secret nobody can test whether a known Patient ID is in the gallery.
"""

import hashlib
import hmac
import os
import secrets
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from service.db.tables import installation
from service.errors import ConfigurationError

_MINIMUM_SECRET_BYTES = 16


class PatientKeyer:
    """Turns patient identifiers into keys with one installation's secret."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < _MINIMUM_SECRET_BYTES:
            raise ConfigurationError("The secret of the patient keys is shorter than 16 bytes.")
        self._secret = secret

    def key(self, patient_id: str, issuer: str, study_instance_uid: str) -> UUID:
        """The patient's key; a study without a Patient ID counts as a patient of its own."""
        if patient_id:
            return self._digest("patient", issuer, patient_id)
        return self._digest("study", study_instance_uid)

    def fingerprint(self) -> str:
        """Identifies the secret without revealing it."""
        return self._digest("fingerprint").hex

    def _digest(self, *parts: str) -> UUID:
        return _digest(self._secret, *parts)


@lru_cache(maxsize=256)  # the objects of a patient come together
def _digest(secret: bytes, *parts: str) -> UUID:
    # Lengths in front keep ("ab", "c") and ("a", "bc") apart.
    message = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in parts)
    return UUID(bytes=hmac.digest(secret, message, hashlib.sha256)[:16])


def load_patient_keyer(secret_file: Path) -> PatientKeyer:
    """Read the secret, making a random one (0600) where there is none yet.

    Raises:
        ConfigurationError: the file cannot be read or made.
    """
    try:
        secret_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not secret_file.exists():
            _create(secret_file)
        return PatientKeyer(secret_file.read_bytes().strip())
    except OSError as error:
        raise ConfigurationError(
            f"The secret of the patient keys, {secret_file}, cannot be read: {error.strerror}. "
            "Run as the user who owns the state folder, or set PRECUNEUS_PATIENT_KEY_FILE."
        ) from None


def _create(secret_file: Path) -> None:
    """Write a new secret so that of two processes starting at once one wins for both."""
    draft = secret_file.with_name(f".{secret_file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, secret_file)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def check_patient_keyer(connection: Connection, keyer: PatientKeyer) -> None:
    """Make sure that the gallery was filled with this secret, recording it the first time.

    Raises:
        ConfigurationError: the gallery was filled with another secret; with this one, a patient's
            own slices would no longer be recognised.
    """
    connection.execute(
        insert(installation)
        .values(name="patient_key_fingerprint", value=keyer.fingerprint())
        .on_conflict_do_nothing()
    )
    known = connection.scalar(
        select(installation.c.value).where(installation.c.name == "patient_key_fingerprint")
    )
    if known != keyer.fingerprint():
        raise ConfigurationError(
            "The secret of the patient keys is not the one this gallery was filled with. Restore "
            "secrets/patient_key of its state folder, or point PRECUNEUS_PATIENT_KEY_FILE at it."
        )
