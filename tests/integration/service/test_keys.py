from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from service import keys
from service.errors import ConfigurationError, InvalidParameter
from service.processes.api import require_key
from service.settings import HttpSettings

ANYWHERE = "0.0.0.0"


def test_a_key_is_stored_only_as_its_hash(engine: Engine) -> None:
    with engine.begin() as connection:
        key = keys.create_key(connection, " viewer ")
    with engine.connect() as connection:
        row = str(connection.execute(text("SELECT k::text FROM api_key k")).scalar_one())
        assert keys.is_valid(connection, key)
        assert not keys.is_valid(connection, key[:-1])
        assert not keys.is_valid(connection, "")
        (listed,) = keys.list_keys(connection)
    assert len(key) >= 43
    assert key not in row
    assert key.encode().hex() not in row
    assert listed.name == "viewer"
    assert listed.revoked_at is None


def test_no_two_keys_are_alike(engine: Engine) -> None:
    with engine.begin() as connection:
        assert len({keys.create_key(connection, "x") for _ in range(50)}) == 50


def test_a_revoked_key_is_refused_for_good(engine: Engine) -> None:
    with engine.begin() as connection:
        key, other = (keys.create_key(connection, name) for name in ("one", "other"))
        number = keys.list_keys(connection)[0].api_key_id
        keys.revoke_key(connection, number)
        revoked_at = keys.list_keys(connection)[0].revoked_at
    with engine.begin() as connection:
        assert not keys.is_valid(connection, key)
        assert keys.is_valid(connection, other)
        keys.revoke_key(connection, number)
        # The first revocation is the one that counts.
        assert keys.list_keys(connection)[0].revoked_at == revoked_at
        # Nor does the same key come back by way of a secret.
        keys.accept_key(connection, key)
        assert not keys.is_valid(connection, key)


def test_an_unknown_number_is_told(engine: Engine) -> None:
    with engine.begin() as connection, pytest.raises(InvalidParameter, match="no API key 7"):
        keys.revoke_key(connection, 7)


@pytest.mark.parametrize("name", ["", "  "])
def test_a_key_needs_a_name(engine: Engine, name: str) -> None:
    with engine.begin() as connection, pytest.raises(InvalidParameter, match="name"):
        keys.create_key(connection, name)


def test_on_loopback_no_key_is_needed(engine: Engine) -> None:
    require_key(engine, HttpSettings())


def test_off_loopback_a_key_is_needed(engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match="api key create"):
        require_key(engine, HttpSettings(host=ANYWHERE))
    with engine.begin() as connection:
        keys.create_key(connection, "viewer")
    require_key(engine, HttpSettings(host=ANYWHERE))
    with engine.begin() as connection:
        keys.revoke_key(connection, keys.list_keys(connection)[0].api_key_id)
    with pytest.raises(ConfigurationError, match="api key create"):
        require_key(engine, HttpSettings(host=ANYWHERE))


def test_the_key_of_a_secret_is_taken_over_once(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "api_key"
    file.write_text("a-secret-of-twenty-four-characters\n")
    for _ in range(2):
        require_key(engine, HttpSettings(host=ANYWHERE, api_key_file=file))
    with engine.connect() as connection:
        assert keys.is_valid(connection, "a-secret-of-twenty-four-characters")
        assert [key.name for key in keys.list_keys(connection)] == ["(key file)"]


def test_a_new_key_in_the_file_replaces_the_old(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "api_key"
    old, new = "the-first-key-of-the-secret-file", "the-second-key-of-the-secret-file"
    with engine.begin() as connection:
        viewers = keys.create_key(connection, "viewer")
    for key in (old, new):
        file.write_text(key)
        require_key(engine, HttpSettings(host=ANYWHERE, api_key_file=file))
    with engine.connect() as connection:
        assert [keys.is_valid(connection, key) for key in (old, new, viewers)] == [
            False,
            True,
            True,
        ]


def test_keys_can_be_demanded_on_loopback(engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match="api key create"):
        require_key(engine, HttpSettings(demand_key=True))


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 23, b"\xff\xfe" * 20])
def test_a_secret_that_is_no_key_is_refused(engine: Engine, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "api_key"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="key"):
        require_key(engine, HttpSettings(api_key_file=file))
    with engine.connect() as connection:
        assert not keys.any_valid(connection)


def test_a_secret_that_is_missing_is_named(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        require_key(engine, HttpSettings(api_key_file=tmp_path / "nowhere"))
