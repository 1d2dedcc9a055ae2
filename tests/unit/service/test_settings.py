from pathlib import Path

import pytest
from pydantic import ValidationError

from service.db.engine import external_url, make_replica_engines
from service.errors import ConfigurationError
from service.processes.serve import exported
from service.settings import DatabaseSettings, HttpSettings, Settings, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", "", "127.0.0.1.x"])
def test_reachable_from_elsewhere(host: str) -> None:
    assert not is_loopback(host)


def test_all_of_it_binds_to_this_machine_by_default(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, state_dir=tmp_path)  # type: ignore[call-arg]
    assert is_loopback(settings.dicom.host)
    assert is_loopback(settings.http.host)
    assert (settings.dicom.port, settings.http.port) == (11112, 8000)
    assert settings.dicom.ae_title == "PRECUNEUS"
    assert settings.has_embedded_database


@pytest.mark.parametrize(
    ("changes", "demanded"),
    [
        ({}, False),
        ({"demand_key": True}, True),
        ({"api_key_file": "key"}, True),
        ({"api_key_file": "key", "demand_key": False}, False),
        ({"host": "0.0.0.0"}, True),
        # Off loopback nobody can do without.
        ({"host": "0.0.0.0", "demand_key": False}, True),
    ],
)
def test_when_api_keys_are_demanded(changes: dict[str, object], demanded: bool) -> None:
    assert HttpSettings.model_validate(changes).demands_key is demanded


def test_arguments_override_the_environment_that_overrides_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(
        "PRECUNEUS_DICOM__PORT=1\nPRECUNEUS_DICOM__AE_TITLE=FILE\nPRECUNEUS_HTTP__PORT=2\n"
    )
    monkeypatch.setenv("PRECUNEUS_DICOM__AE_TITLE", "ENVIRONMENT")
    monkeypatch.setenv("PRECUNEUS_HTTP__PORT", "3")
    settings = Settings(http={"port": 4})  # type: ignore[arg-type]
    assert settings.dicom.port == 1
    assert settings.dicom.ae_title == "ENVIRONMENT"
    assert settings.http.port == 4


@pytest.mark.parametrize("title", ["", " ", "A" * 17, "BACK\\SLASH", "ÄRZTE", "TAB\t"])
def test_an_ae_title_that_no_peer_could_call(title: str) -> None:
    with pytest.raises(ValidationError):
        Settings(_env_file=None, dicom={"ae_title": title})  # type: ignore[call-arg, arg-type]


def test_what_arguments_changed_reaches_the_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Settings(
        _env_file=None,  # type: ignore[call-arg]
        state_dir=tmp_path,
        dicom={"host": "0.0.0.0", "port": 7, "ae_title": "OURS"},  # type: ignore[arg-type]
        http={"host": "::", "port": 9},  # type: ignore[arg-type]
    )
    for name, value in exported(given).items():
        monkeypatch.setenv(name, value)
    assert Settings(_env_file=None) == given  # type: ignore[call-arg]


def test_the_password_of_the_file_goes_into_the_url(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss/word\n")
    url = external_url(
        DatabaseSettings(url="postgresql://user@host:5433/gallery", password_file=file)  # type: ignore[arg-type]
    )
    assert (url.username, url.password, url.port) == ("user", "p@ss/word", 5433)
    assert url.drivername == "postgresql+psycopg2"


def test_the_password_is_not_shown_by_accident() -> None:
    database = DatabaseSettings(url="postgresql://user:topsecret@host/gallery")  # type: ignore[arg-type]
    assert "topsecret" not in f"{database!r} {database}"


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://host/gallery", "postgresql://host:port/gallery", ""]
)
def test_a_url_that_is_none_is_named(url: str) -> None:
    with pytest.raises(ConfigurationError, match="PRECUNEUS_DATABASE__URL"):
        external_url(DatabaseSettings(url=url))  # type: ignore[arg-type]


def test_a_password_file_that_is_missing_is_named(tmp_path: Path) -> None:
    settings = DatabaseSettings(url="postgresql://host/x", password_file=tmp_path / "none")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="PRECUNEUS_DATABASE__PASSWORD_FILE"):
        external_url(settings)


def test_standbys_are_a_list_of_urls_whose_passwords_stay_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "PRECUNEUS_DATABASE__REPLICA_URLS",
        '["postgresql://precuneus:secret@one/precuneus", "postgresql://precuneus@two/precuneus"]',
    )
    monkeypatch.setenv("PRECUNEUS_DATABASE__MAXIMUM_STALENESS_S", "2.5")
    database = Settings(_env_file=None, state_dir=tmp_path).database  # type: ignore[call-arg]
    assert [engine.url.host for engine in make_replica_engines(database)] == ["one", "two"]
    assert database.maximum_staleness_s == 2.5
    assert "secret" not in repr(database)


def test_a_standby_that_is_no_postgresql_is_refused() -> None:
    database = DatabaseSettings.model_validate({"replica_urls": ["mysql://host/gallery"]})
    with pytest.raises(ConfigurationError, match="REPLICA_URLS"):
        make_replica_engines(database)
