"""Where a label comes from: four sources that the program acts by, and the words behind them."""

from collections.abc import Mapping
from types import MappingProxyType

from service.labels.record import Source

_WORDS: Mapping[str, Source] = MappingProxyType(
    {
        "": "import",
        "import": "import",
        "report": "report",
        "radiology": "report",
        "radiology report": "report",
        "finding": "report",
        "pathology": "pathology",
        "histology": "pathology",
        "histopathology": "pathology",
        "biopsy": "pathology",
        "cytology": "pathology",
        # What a machine said must never pass for somebody's diagnosis.
        "prediction": "prediction",
        "predictions": "prediction",
        "predicted": "prediction",
        "model": "prediction",
        "ai": "prediction",
        "classifier": "prediction",
        "algorithm": "prediction",
        "network": "prediction",
    }
)


def source_of(text: str) -> tuple[Source, str | None]:
    """The source that a text names, and the text as `origin` where it says more than that.

    Words that are none of ours, such as "tumour board", come to an import of that origin.
    """
    said = text.strip()
    source = _WORDS.get(said.lower(), "import")
    return source, None if said.lower() in (source, "") else said
