"""Finds the rules that the settings name: written in the variable, or in the file it names."""

from pathlib import Path

from service.admission.parsing import VARIABLE, parse_rules
from service.admission.rules import AdmissionRules
from service.errors import ConfigurationError
from service.settings import Settings

_FILE = "@"


def load_rules(settings: Settings) -> AdmissionRules:
    """The rules of `PRECUNEUS_GALLERY__ADMIT`; unset, everything is admitted.

    Raises:
        ConfigurationError: the file it names cannot be read.
        MalformedRules: what it or the file holds is no rules.
    """
    return read_rules(settings.gallery.admit, VARIABLE)


def read_rules(text: str, source: str) -> AdmissionRules:
    """The rules of a text from `source`, or of the file that it names as @FILE.

    Raises:
        ConfigurationError: the file cannot be read.
        MalformedRules: it holds no rules.
    """
    if not text.lstrip().startswith(_FILE):
        return parse_rules(text, source)
    path = Path(text.strip().removeprefix(_FILE).strip()).expanduser()
    try:
        found = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        kind = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(
            f"{source} names the file {path}, which cannot be read: {kind}."
        ) from None
    return parse_rules(found, str(path))
