from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer
from threading import Thread

import pytest
from sqlalchemy import Engine, text

from dicom_node.receive import Receiver
from service import keys
from service.dicom_settings import DicomSettings
from service.doctor import examine
from service.encoders.files import keep_checkpoint, kept_checkpoint
from service.encoders.registry import ActiveEncoder
from service.finding import Finding
from service.settings import EncoderSettings, HttpSettings, Settings
from tests.support.databases import EMPTY, away, fresh_database


@pytest.fixture
def healthy(
    settings: Settings, encoder: ActiveEncoder, take: Receiver, checkpoint_file: Path
) -> Settings:
    """Settings of a gallery that lacks nothing."""
    kept = kept_checkpoint(settings.state_dir, encoder.name)
    kept.parent.mkdir()
    kept.touch()
    changes = {
        "encoder": EncoderSettings(checkpoint=checkpoint_file),
        # Whatever runs on this machine is not this gallery's service.
        "dicom": DicomSettings(port=0),
        "http": HttpSettings(port=0),
    }
    return settings.model_copy(update=changes)


def wrong(settings: Settings) -> set[str]:
    """What the doctor finds wrong; it must say how to mend it."""
    found = [finding for finding in examine(settings) if finding.verdict == "wrong"]
    assert all(finding.remedy for finding in found)
    return {finding.subject for finding in found}


def finding(settings: Settings, subject: str) -> Finding:
    (found,) = (finding for finding in examine(settings) if finding.subject == subject)
    return found


def test_a_healthy_gallery(healthy: Settings) -> None:
    assert wrong(healthy) == set()


def test_off_loopback_a_key_is_missed(healthy: Settings, engine: Engine) -> None:
    open_wide = healthy.model_copy(update={"http": HttpSettings(host="0.0.0.0", port=0)})
    assert wrong(open_wide) == {"API keys"}
    with engine.begin() as connection:
        keys.create_key(connection, "viewer")
    assert wrong(open_wide) == set()


def test_damaged_weights(healthy: Settings, tmp_path: Path) -> None:
    damaged = tmp_path / "msnet-0123456789ab.safetensors"
    damaged.write_bytes(b"damaged")
    changed = {"encoder": EncoderSettings(checkpoint=damaged)}
    assert wrong(healthy.model_copy(update=changed)) == {"encoder weights"}


def test_lost_weights_of_the_gallery(healthy: Settings, encoder: ActiveEncoder) -> None:
    kept_checkpoint(healthy.state_dir, encoder.name).unlink()
    assert wrong(healthy) == {"active encoder"}


def test_a_lost_secret(healthy: Settings) -> None:
    secret = healthy.state_dir / "secrets" / "patient_key"
    secret.write_text("the secret of another gallery")
    assert wrong(healthy) == {"patient keys"}


def test_a_database_that_is_away(healthy: Settings, cluster_url: str, database_url: str) -> None:
    with away(cluster_url, database_url):
        assert wrong(healthy) == {"database"}


def test_a_database_behind_its_migrations(healthy: Settings, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'old'"))
    assert wrong(healthy) == {"migrations"}


def test_a_gallery_that_was_never_used(
    settings: Settings, cluster_url: str, checkpoint_file: Path
) -> None:
    with fresh_database(cluster_url, EMPTY) as url:
        new = Settings(
            _env_file=None,  # type: ignore[call-arg]
            state_dir=settings.state_dir / "new",
            database={"url": url},  # type: ignore[arg-type]
            encoder={"checkpoint": checkpoint_file},  # type: ignore[arg-type]
            dicom={"port": 0},  # type: ignore[arg-type]
            http={"port": 0},  # type: ignore[arg-type]
        )
        assert wrong(new) == set()
        assert finding(new, "migrations").verdict == "note"
        assert "made at first use" in finding(new, "state folder").detail


def test_another_program_on_the_port_of_the_api(healthy: Settings) -> None:
    """It hangs up on whoever calls."""
    with TCPServer(("127.0.0.1", 0), BaseRequestHandler) as holder:
        port = holder.server_address[1]
        Thread(target=holder.serve_forever, args=(0.01,)).start()
        try:
            found = finding(
                healthy.model_copy(update={"http": HttpSettings(port=port)}), "HTTP port"
            )
        finally:
            holder.shutdown()
    assert found.verdict == "wrong"
    assert "PRECUNEUS_HTTP__PORT" in found.remedy


def test_nothing_is_changed(healthy: Settings, tmp_path: Path, checkpoint_file: Path) -> None:
    elsewhere = healthy.model_copy(update={"state_dir": tmp_path / "elsewhere"})
    keep_checkpoint(healthy.state_dir, checkpoint_file)
    examine(elsewhere)
    assert not (tmp_path / "elsewhere").exists()
