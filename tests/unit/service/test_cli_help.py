from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from service.cli.main import build_app


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group, as words to type."""
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


ALL = sorted(commands(get_command(build_app())))


def test_every_command_is_there() -> None:
    assert {" ".join(words) for words in ALL} >= {
        *("serve", "similar", "doctor", "demo", "node serve", "node echo", "worker run"),
        *("node peers list", "node peers add", "node peers remove", "node peers echo"),
        *("node pull", "node reconcile", "node log", "node admission", "node conformance"),
        *("gallery admit",),
        *("api serve", "api key create", "api key list", "api key revoke"),
        *("db upgrade", "db current", "db check", "db recover"),
        *("gallery import", "gallery label", "gallery stats", "gallery export", "gallery delete"),
    }


@pytest.mark.parametrize("words", ALL, ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_explains_itself(words: tuple[str, ...], option: str) -> None:
    result = CliRunner().invoke(build_app(), [*words, option])
    assert result.exit_code == 0, result.output
    assert " ".join(("precuneus", *words)) in result.output or "Usage" in result.output
    lines = [line for line in result.output.splitlines() if line.strip(" ╭╮╰╯─│")]
    # The usage line, the help text, and at least one option.
    assert len(lines) >= 4


def test_an_unknown_command_is_wrong_usage() -> None:
    assert CliRunner().invoke(build_app(), ["retrain"]).exit_code == 2
