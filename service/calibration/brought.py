"""The calibration that comes with an encoder: measured on patients that it was not trained on.

An encoder knows the patients it was trained on too well: they lie closer together than strangers
will, and weights fitted to them are far too sure. Where a gallery may hold such patients, what the
encoder brought along is the bound.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

from service.calibration.figures import EvidenceFigures, evidence_of_document
from service.errors import ConfigurationError

_SUFFIX = ".evidence.json"
_OF_ANOTHER = (
    " This encoder was trained by the same recipe on those patients, too, and has no others here "
    "to be measured on."
)


@dataclass(frozen=True)
class Brought:
    """What an encoder brings: figures of evidence, and how far strangers lie off its gallery.

    `false_alarms` of strangers' slices exceeded `threshold`.
    """

    evidence: EvidenceFigures
    threshold: float
    false_alarms: float


def read_brought(encoder_name: str, state_dir: Path) -> Brought | None:
    """The figures beside the encoder's weights: in the state folder, or among those that ship.

    Raises:
        ConfigurationError: the file is not what `write_brought` writes.
    """
    for path in _places(encoder_name, state_dir):
        if path.is_file():
            try:
                document = json.loads(path.read_text(encoding="utf-8"))
                evidence = evidence_of_document(document.pop("evidence"))
                return Brought(evidence, **document)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise ConfigurationError(
                    f"{path} holds no figures of evidence: write it again with "
                    "`precuneus model check-evidence --write`."
                ) from error
    return None


def _places(encoder_name: str, state_dir: Path) -> Iterator[Path]:
    name = f"{encoder_name}{_SUFFIX}"
    yield state_dir / "encoders" / name
    weights = Path(str(resources.files("model"))) / "weights"
    yield from (folder / name for folder in sorted(weights.glob("*/")))


def told_of(path: Path, measured: str, protocol: str) -> str:
    """The protocol as the file at `path` must tell it, if the encoder `measured` was measured.

    A file that is named after another encoder says that its figures are not of that one.
    """
    of_another = path.name.endswith(_SUFFIX) and path.name != f"{measured}{_SUFFIX}"
    return protocol + _OF_ANOTHER if of_another else protocol


def write_brought(path: Path, brought: Brought) -> None:
    """Write the figures, to be laid beside the weights as <encoder's name>.evidence.json."""
    path.write_text(json.dumps(asdict(brought), indent=2) + "\n", encoding="utf-8")
