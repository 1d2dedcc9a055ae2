"""Reads what fixes a training run from a TOML file that lies over another."""

import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from model.errors import TrainingError
from model.network_config import MSNetConfig
from model.preprocess import PreprocessConfig
from model.training.config import TrainConfig

_NOT_SETTINGS = {"version"}  # the preprocessing's is the program's own

Sections = Mapping[str, MSNetConfig | PreprocessConfig]
"""Of a configuration, by name."""


def read_overlaid(path: Path, base: Path, between: Sections | None = None) -> TrainConfig:
    """The run described by a TOML file; what it leaves out is as in the file `base`.

    Sections `between`, by name, lie over the base and under the file. Raises TrainingError if a
    file cannot be read, or holds a name or value that is unknown or a number that is out of range.
    """
    document, changes = _document(base), _document(path)
    for name, value in changes.items():
        below = document.get(name)
        if isinstance(value, dict) and isinstance(below, dict):
            document[name] = below | value
        else:
            document[name] = value
    sections = _sections(TrainConfig, document, path.name)
    for name, section in (between or {}).items():
        named = {key: getattr(sections[name], key) for key in changes.get(name, {})}
        sections[name] = replace(section, **named)
    try:
        return TrainConfig(**sections)
    except TrainingError as error:
        raise TrainingError(f"{path.name}: {error}") from None


def _document(path: Path) -> dict[str, Any]:
    """A TOML file as it is. Raises TrainingError if it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path.name} is no TOML: {error}") from error


def _sections(kind: type, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A dataclass's arguments from a table, section by section."""
    hints = get_type_hints(kind)
    known = {f.name for f in fields(kind)} - _NOT_SETTINGS
    if unknown := values.keys() - known:
        raise TrainingError(f"{where}: unknown {', '.join(sorted(unknown))}")
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        expected = hints[name]
        if is_dataclass(expected) and isinstance(expected, type):
            if not isinstance(value, Mapping):
                raise TrainingError(f"{where}: {name} is a section, not a value")
            section: Any = expected(**_sections(expected, value, f"{where} [{name}]"))
            arguments[name] = section
        elif expected in (int, float, bool, str) and not _fits(value, expected):
            raise TrainingError(f"{where}: {name} is no {expected.__name__}")
        elif get_origin(expected) is Literal and value not in get_args(expected):
            raise TrainingError(f"{where}: {name} is none of {', '.join(get_args(expected))}")
        elif get_origin(expected) is tuple and not _are_numbers(value, get_args(expected)):
            raise TrainingError(f"{where}: {name} is no list of as many numbers as it needs")
        else:
            arguments[name] = tuple(value) if isinstance(value, list) else value
    return arguments


def _fits(value: object, expected: type) -> bool:
    if expected is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is expected


def _are_numbers(value: object, kinds: tuple[Any, ...]) -> bool:
    """Whether a list fits tuple[int, ...] or tuple[float, float]."""
    if not isinstance(value, list) or (Ellipsis not in kinds and len(value) != len(kinds)):
        return False
    return all(_fits(item, kinds[0]) for item in value)
