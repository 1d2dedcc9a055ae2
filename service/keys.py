"""API keys: 256 random bits, stored only as their SHA-256.

A plain hash suffices: the keys are too random to be guessed, so there is nothing to slow down.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

from service.db.tables import api_key
from service.errors import ConfigurationError, InvalidParameter

_PREFIX = "pcn_"
_FROM_FILE = "(key file)"
_MINIMUM_LENGTH = 24


@dataclass(frozen=True)
class ApiKey:
    """A key as it is listed: never the key itself."""

    api_key_id: int
    name: str
    created_at: datetime
    revoked_at: datetime | None


def create_key(connection: Connection, name: str) -> str:
    """Make a key and return it; it cannot be shown again."""
    if not name.strip() or name.strip() == _FROM_FILE:
        raise InvalidParameter("Give the key a name, so that it can be told from others.")
    key = _PREFIX + secrets.token_urlsafe(32)
    connection.execute(insert(api_key).values(name=name.strip(), digest=_digest(key)))
    return key


def accept_key(connection: Connection, key: str) -> None:
    """Make sure that the key of the secret file is accepted, and none that was in it before.

    Raises:
        ConfigurationError: the key is too short to be safe.
    """
    if len(key) < _MINIMUM_LENGTH:
        raise ConfigurationError(f"The API key must have at least {_MINIMUM_LENGTH} characters.")
    connection.execute(
        update(api_key)
        .where(api_key.c.name == _FROM_FILE, api_key.c.digest != _digest(key))
        .values(revoked_at=func.coalesce(api_key.c.revoked_at, func.now()))
    )
    connection.execute(
        insert_or_skip(api_key)
        .values(name=_FROM_FILE, digest=_digest(key))
        .on_conflict_do_nothing()
    )


def list_keys(connection: Connection) -> list[ApiKey]:
    """All keys, revoked ones among them."""
    columns = (api_key.c.api_key_id, api_key.c.name, api_key.c.created_at, api_key.c.revoked_at)
    rows = connection.execute(select(*columns).order_by(api_key.c.api_key_id))
    return [ApiKey(*row) for row in rows]


def revoke_key(connection: Connection, api_key_id: int) -> None:
    """Refuse a key from now on.

    Raises:
        InvalidParameter: there is no such key.
    """
    revoked = connection.execute(
        update(api_key)
        .where(api_key.c.api_key_id == api_key_id)
        .values(revoked_at=func.coalesce(api_key.c.revoked_at, func.now()))
    )
    if revoked.rowcount == 0:
        raise InvalidParameter(f"There is no API key {api_key_id}: see `precuneus api key list`.")


def is_valid(connection: Connection, key: str) -> bool:
    """Whether a key is known and not revoked."""
    return name_of(connection, key) is not None


def name_of(connection: Connection, key: str) -> str | None:
    """The name of a key that is known and not revoked."""
    found = select(api_key.c.name).where(
        api_key.c.digest == _digest(key), api_key.c.revoked_at.is_(None)
    )
    return connection.scalar(found)


def any_valid(connection: Connection) -> bool:
    """Whether at least one key would be accepted."""
    found = select(api_key.c.api_key_id).where(api_key.c.revoked_at.is_(None)).limit(1)
    return connection.scalar(found) is not None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
