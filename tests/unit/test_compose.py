"""docker-compose.yml and the Dockerfile, held against the program they run."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from typer.main import get_command

from service.cli.main import build_app
from service.settings import Settings

REPOSITORY = Path(__file__).parents[2]
OURS = {"migrate", "node", "worker", "worker-gpu", "api"}
# Read by docker compose itself where it puts the file together.
INTERPOLATED = {"PRECUNEUS_BIND", "PRECUNEUS_AE_TITLE"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(
        (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
    )
    return loaded


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and what follows them, continued lines joined."""
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    pairs = (line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    return [(instruction, rest) for instruction, rest in pairs]


def setting_names(model: type[BaseModel] = Settings, prefix: str = "PRECUNEUS_") -> set[str]:
    """Every variable that the program reads."""
    names = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            names |= setting_names(inner, f"{prefix}{name.upper()}__")
        else:
            names.add(prefix + name.upper())
    return names


def takes(arguments: list[str]) -> Any:
    """The typer command that the words of `arguments` lead to; options must be its own."""
    command: Any = get_command(build_app())
    words = list(arguments)
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known
    return command


def test_the_services(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"db", *OURS}
    profiles = {n: s["profiles"] for n, s in compose["services"].items() if "profiles" in s}
    assert profiles == {"worker-gpu": ["gpu"]}
    assert "pgvector" in compose["services"]["db"]["image"]


def test_every_command_exists(compose: dict[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert not hasattr(takes(service["command"]), "commands")
        check = service.get("healthcheck", {}).get("test", [])
        if check[1:2] == ["precuneus"]:
            takes(check[2:])


def test_every_variable_is_a_setting(compose: dict[str, Any]) -> None:
    used = {
        variable
        for name in OURS
        for variable in compose["services"][name].get("environment", {})
        if variable.startswith("PRECUNEUS_")
    }
    assert {"PRECUNEUS_DATABASE__URL", "PRECUNEUS_STATE_DIR"} <= used
    assert used <= setting_names()


def test_every_interpolated_variable_is_known_and_has_a_default() -> None:
    text = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
    found = re.findall(r"\$\{(\w+)(:-[^}]+)?\}", text)
    assert {name for name, _ in found} == INTERPOLATED
    assert all(default for _, default in found)


def test_secrets_come_from_files(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name in OURS:
        assert set(services[name]["secrets"]) <= set(compose["secrets"])
        for variable, value in services[name].get("environment", {}).items():
            assert "PASSWORD" not in variable or value.startswith("/run/secrets/")
    key_file = services["api"]["environment"]["PRECUNEUS_HTTP__API_KEY_FILE"]
    assert Path(key_file).parent == Path("/run/secrets")
    assert Path(key_file).name in services["api"]["secrets"]
    assert all(set(secret) == {"file"} for secret in compose["secrets"].values())
    ignored = (REPOSITORY / ".gitignore").read_text(encoding="utf-8").split()
    assert "secrets/" in ignored


def test_ports_are_published_on_this_machine_alone(compose: dict[str, Any]) -> None:
    published = {n: s["ports"] for n, s in compose["services"].items() if "ports" in s}
    assert published == {
        "node": ["${PRECUNEUS_BIND:-127.0.0.1}:11112:11112"],
        "api": ["${PRECUNEUS_BIND:-127.0.0.1}:8000:8000"],
    }
    defaults = Settings(_env_file=None)  # type: ignore[call-arg]
    assert (defaults.dicom.port, defaults.http.port) == (11112, 8000)


def test_nothing_of_ours_starts_before_the_migrations(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["migrate"]["depends_on"]["db"] == {"condition": "service_healthy"}
    for name in OURS - {"migrate"}:
        migrated = services[name]["depends_on"]["migrate"]
        assert migrated == {"condition": "service_completed_successfully"}


def test_volumes_and_state_agree(
    compose: dict[str, Any], instructions: list[tuple[str, str]]
) -> None:
    for name in OURS:
        service = compose["services"][name]
        (volume,) = service["volumes"]
        source, folder = volume.split(":")
        assert source in compose["volumes"]
        assert service["environment"]["PRECUNEUS_STATE_DIR"] == folder
        assert ("VOLUME", folder) in instructions


def test_what_the_image_copies_is_there(instructions: list[tuple[str, str]]) -> None:
    copied = [shlex.split(rest) for name, rest in instructions if name == "COPY"]
    here = [words[:-1] for words in copied if not words[0].startswith("--from")]
    sources = [source for words in here for source in words]
    assert {"service", "model", "dicom_node", "migrations", "pyproject.toml"} <= set(sources)
    missing = [source for source in sources if not (REPOSITORY / source).exists()]
    assert not missing


def test_the_image_runs_as_nobody_of_importance(instructions: list[tuple[str, str]]) -> None:
    names = [name for name, _ in instructions]
    assert dict(instructions)["USER"] == "precuneus"
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert dict(instructions)["ENTRYPOINT"] == '["precuneus"]'


def test_the_images_variables_are_settings(instructions: list[tuple[str, str]]) -> None:
    variables = re.findall(r"\b(PRECUNEUS_\w+)=", dict(instructions)["ENV"])
    assert variables
    assert set(variables) <= setting_names()
