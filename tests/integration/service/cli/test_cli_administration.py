from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from service import keys
from service.db.migrate import head_revision
from tests.integration.service.cli.conftest import Imported
from tests.support.commands import Shell
from tests.support.databases import EMPTY, away, fresh_database
from tests.support.galleries import MadeInstance, fill
from tests.support.objects import ct_dataset, write_file


def test_the_schema_from_nothing(shell: Shell, cluster_url: str) -> None:
    head = head_revision()
    with fresh_database(cluster_url, EMPTY) as url:
        settings = {"PRECUNEUS_DATABASE__URL": url}
        assert shell.run("db", "current", **settings).output == "none\n"
        check = shell.run("db", "check", **settings)
        assert (check.code, "db upgrade" in check.output) == (1, True)
        # No command but `db` works on a schema that it does not know.
        refused = shell.run("gallery", "stats", **settings)
        assert (refused.code, "db upgrade" in refused.errors) == (2, True)
        assert shell.run("db", "upgrade", **settings).code == 0
        assert shell.run("db", "current", **settings).output == f"{head}\n"
        assert shell.run("db", "check", **settings).code == 0


def test_a_schema_that_somebody_changed_is_noticed(shell: Shell, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE series ADD COLUMN more text"))
    check = shell.run("db", "check")
    assert check.code == 1
    assert "more" in check.output


def test_recovery_reports_and_fails_where_files_are_missing(shell: Shell, engine: Engine) -> None:
    for name in "ab":
        write_file(shell.folder / "files" / name, ct_dataset())
    assert shell.run("gallery", "import", "files").code == 0
    with engine.begin() as connection:
        connection.execute(
            text("DELETE FROM instance WHERE instance_id = (SELECT min(instance_id) FROM instance)")
        )
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT file_name FROM instance")).scalar_one()
    (shell.folder / "state" / "objects" / kept).unlink()
    recovered = shell.run("db", "recover", "--json")
    assert recovered.code == 1
    assert (recovered.json()["registered"], recovered.json()["missing_files"]) == (1, 1)


def test_an_api_key_from_its_making_to_its_end(shell: Shell, engine: Engine) -> None:
    key = shell.run("api", "key", "create", "viewer").output.strip()
    with engine.connect() as connection:
        assert keys.is_valid(connection, key)
    (listed,) = shell.run("api", "key", "list", "--json").json()
    assert (listed["name"], listed["revoked_at"]) == ("viewer", None)
    number = listed["api_key_id"]
    assert shell.run("api", "key", "revoke", number).output == f"Key {number} is revoked.\n"
    with engine.connect() as connection:
        assert not keys.is_valid(connection, key)
    unknown = shell.run("api", "key", "revoke", number + 1)
    assert (unknown.code, f"no API key {number + 1}" in unknown.errors) == (2, True)


def test_the_doctor_finds_a_gallery_in_good_health(imported: Imported) -> None:
    ended = imported.shell.run("doctor", "--json")
    findings = {finding["subject"]: finding for finding in ended.json()}
    assert not [f for f in findings.values() if f["verdict"] == "wrong"]
    assert ended.code == 0
    assert {
        *("state folder", "disk", "DICOM port", "HTTP port", "encoder weights", "device"),
        *("PostgreSQL", "pgvector", "migrations", "active encoder", "patient keys", "API keys"),
    } <= set(findings)
    assert "29 coordinates" in findings["active encoder"]["detail"]
    assert findings["recall"]["facts"]["wanted"] == 0.99


def test_another_gallerys_secret_is_refused_before_anything_is_taken(
    imported: Imported, shell: Shell
) -> None:
    write_file(shell.folder / "a.dcm", ct_dataset())
    url = imported.shell.settings["PRECUNEUS_DATABASE__URL"]
    ended = shell.run("gallery", "import", "a.dcm", PRECUNEUS_DATABASE__URL=url)
    assert ended.code == 2
    assert "secret of the patient keys" in ended.errors
    assert not list((shell.folder / "state").rglob("*.dcm"))


@pytest.mark.parametrize(
    ("arguments", "settings", "name"),
    [
        (["db", "current"], {"PRECUNEUS_DICOM__PORT": "many"}, "PRECUNEUS_DICOM__PORT"),
        (["db", "current"], {"PRECUNEUS_DATABASE__URL": "here"}, "PRECUNEUS_DATABASE__URL"),
        (["db", "current"], {"PRECUNEUS_DATABASE": "here"}, "PRECUNEUS_DATABASE"),
        (["worker", "run", "--device", "abacus"], {}, "PRECUNEUS_WORKER__DEVICE"),
    ],
)
def test_a_wrong_setting_is_named(
    shell: Shell, arguments: list[str], settings: dict[str, str], name: str
) -> None:
    ended = shell.run(*arguments, **settings)
    assert (ended.code, ended.output) == (2, "")
    assert name in ended.errors


def test_a_database_that_does_not_answer_is_a_sentence(
    shell: Shell, cluster_url: str, database_url: str
) -> None:
    with away(cluster_url, database_url):
        ended = shell.run("gallery", "stats")
    assert ended.code == 1
    assert "precuneus doctor" in ended.errors


def test_an_encoder_that_cannot_be_loaded_is_a_sentence(shell: Shell, tmp_path: Path) -> None:
    damaged = tmp_path / "msnet-0123456789ab.safetensors"
    damaged.write_bytes(b"damaged")
    ended = shell.run("worker", "run", "--once", PRECUNEUS_ENCODER__CHECKPOINT=str(damaged))
    assert ended.code == 1
    assert damaged.name in ended.errors


def test_what_failed_is_queued_again(shell: Shell, engine: Engine) -> None:
    fill(engine, [MadeInstance(f"1.{n}", state="failed", reason="broken") for n in range(3)])
    ended = shell.run("gallery", "retry")
    assert (ended.code, ended.output) == (0, "3 failed instances are queued again.\n")
    assert shell.run("gallery", "stats", "--json").json()["waiting"] == 3
