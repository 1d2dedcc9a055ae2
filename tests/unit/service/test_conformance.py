import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dicom_node.errors import DicomError
from dicom_node.statuses import ActionStatus, StoreStatus
from dicom_node.upper_layer.violations import VIOLATIONS, Violation
from service.cli.main import build_app
from service.conformance.document import document
from service.conformance.security import admission
from service.conformance.statement import default_settings, statement
from service.db.tables import metadata
from service.dicom_settings import DicomSettings
from service.settings import GallerySettings, Settings

KEPT = Path(__file__).parents[3] / "docs" / "conformance.md"
CHAPTERS = (
    *("## 1 Overview", "## 2 Table of contents", "## 3 Introduction"),
    *("## 4 Implementation model", "## 5 Service and interoperability description"),
    *("## 6 Configuration", "## 7 Network and media communication details", "## 8 Security"),
    *(f"## Annex {letter}" for letter in "ABCDE"),
)


def run(*options: str) -> str:
    result = CliRunner().invoke(build_app(), ["node", "conformance", *options])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_kept_statement_is_the_one_of_the_default_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PRECUNEUS_DICOM__AE_TITLE", "ELSEWHERE")
    assert run("--defaults") == KEPT.read_text(encoding="utf-8"), "run `make conformance`"


def test_the_statement_is_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECUNEUS_DICOM__AE_TITLE", "ELSEWHERE")
    monkeypatch.setenv("PRECUNEUS_DICOM__MAXIMUM_PDU_BYTES", "65536")
    text = run()
    assert "| AE title | ELSEWHERE |" in text
    assert "| PDU received | 65536 bytes |" in text
    assert "PRECUNEUS Application Entity" not in text


def test_as_data_and_into_a_file(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    assert run("--defaults", "--json", "--output", str(path)) == ""
    facts = json.loads(path.read_text(encoding="utf-8"))
    assert facts["product"]["ae_title"] == "PRECUNEUS"
    assert {code["code"] for code in facts["statuses"]["store"]} >= {"0x0000", "0xA700"}
    assert json.loads(run("--defaults", "--json")) == facts


def test_the_chapters_are_those_of_the_template() -> None:
    lines = document(statement(default_settings())).splitlines()
    found = [line for line in lines if line.startswith("## ")]
    assert len(found) == len(CHAPTERS)
    assert all(line.startswith(chapter) for line, chapter in zip(found, CHAPTERS, strict=True))


def test_limits_and_timers_are_the_configured_ones() -> None:
    """Each setting that is named for a limit or a timer really changes what is said of it."""
    plain = statement(default_settings()).acceptance
    for before in (*plain.limits, *plain.timers):
        if before.setting is None:
            continue
        field = before.setting.removeprefix("PRECUNEUS_DICOM__").lower()
        doubled = DicomSettings(**{field: 2 * getattr(DicomSettings(), field)})
        changed = statement(Settings.model_construct(dicom=doubled)).acceptance
        (after,) = (
            one for one in (*changed.limits, *changed.timers) if one.setting == before.setting
        )
        assert after.value != before.value, before.name


def test_what_is_kept_has_a_column() -> None:
    columns = {column.name for table in metadata.tables.values() for column in table.columns}
    for attribute in statement(default_settings()).attributes:
        words = attribute.name.lower().replace("'s ", "_").replace(" ", "_")
        names = {words, f"{words}_years", words.removeprefix("number_of_")}
        is_said_to_be = attribute.kept.startswith(("as it is", "in whole years"))
        assert bool(names & columns) == is_said_to_be, attribute.keyword


def subclasses(kind: type) -> set[type]:
    found = set(kind.__subclasses__())
    return found.union(*map(subclasses, found))


def test_every_error_has_a_stated_status() -> None:
    stated = {*StoreStatus, *ActionStatus}
    assert {kind.status for kind in subclasses(DicomError) if hasattr(kind, "status")} <= stated
    assert subclasses(Violation) == set(VIOLATIONS)


def test_admission_is_told_where_there_are_rules() -> None:
    class Ruled(GallerySettings):
        admit: str = ""

    def rules(text: str) -> Settings:
        return Settings.model_construct(gallery=Ruled(admit=text))

    assert admission(default_settings()) == admission(rules("")) == ()
    assert "5.2.2.1" not in document(statement(rules("")))
    ruled = rules("# heads\nadmit modality=CT,MR; otherwise store")
    assert admission(ruled) == ("`admit modality=CT,MR`", "`otherwise store`")
    assert "* `admit modality=CT,MR`\n* `otherwise store`\n" in document(statement(ruled))
    assert "/secret" not in document(statement(rules("@/secret/rules.txt")))


def test_no_file_of_this_machine_is_named() -> None:
    class Secured(DicomSettings):
        key_file: Path | None = Path("/secret/key.pem")

    text = document(statement(Settings.model_construct(dicom=Secured())))
    assert "/secret" not in text
    assert "| `PRECUNEUS_DICOM__KEY_FILE` | set |" in text
