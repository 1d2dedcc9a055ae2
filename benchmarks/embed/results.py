"""The embedding benchmark's samples as tables and sentences."""

from typing import Any

from benchmarks.section import Section, Table
from benchmarks.spread import Spread

OURS, PEER = "Precuneus' encoder", "ResNet-50"


def results(samples: dict[str, Any]) -> Section:
    """Tables of slices per second, and how the encoder stands to the ResNet-50."""
    spreads = {key: Spread.of(rates) for key, rates in samples["slices_per_s"].items()}
    keys = sorted((_parse(key) for key in spreads), key=lambda key: key[:2])
    rows = tuple(
        (name, f"{size} x {size}", str(batch), spreads[f"{size}/{batch}/{name}"].text(1))
        for size, batch, name in keys
    )
    prepared = tuple(
        (modality, Spread.of(rates).text()) for modality, rates in samples["prepared_per_s"].items()
    )
    return Section(
        name="embed",
        tables=(
            Table(
                "Slices embedded per second: median (lowest–highest)",
                ("network", "input", "batch", "slices/s"),
                rows,
            ),
            Table(
                "Slices of 512 x 512 prepared per second, one process",
                ("modality", "slices/s"),
                prepared,
            ),
        ),
        notes=(
            f"The encoder is {samples['encoder']}, whose input is {samples['size']} pixels wide; "
            f"torch used {samples['threads']} threads.",
            *_against_resnet(spreads, keys),
            _where(samples, spreads),
        ),
        data=samples,
    )


def _parse(key: str) -> tuple[int, int, str]:
    size, batch, name = key.split("/")
    return int(size), int(batch), name


def _against_resnet(
    spreads: dict[str, Spread], keys: list[tuple[int, int, str]]
) -> tuple[str, ...]:
    """One sentence for each size and batch, against the faster way of the ResNet-50."""
    sentences = []
    for size, batch in sorted({key[:2] for key in keys}):
        ours = spreads[f"{size}/{batch}/{OURS}"].median
        theirs = max(
            spreads[f"{size}/{batch}/{name}"].median
            for s, b, name in keys
            if (s, b) == (size, batch) and name.startswith(PEER)
        )
        sentences.append(
            f"At {size} pixels, batch {batch}, the encoder's rate is {ours / theirs:.2f} times "
            "that of the ResNet-50."
        )
    return tuple(sentences)


def _where(samples: dict[str, Any], spreads: dict[str, Spread]) -> str:
    """What preparing a slice adds to embedding it."""
    size, batch = samples["size"], max(_parse(key)[1] for key in spreads)
    embedding = 1000 / spreads[f"{size}/{batch}/{OURS}"].median
    preparing = " and ".join(
        f"{1000 / Spread.of(rates).median:.1f} ms ({modality})"
        for modality, rates in samples["prepared_per_s"].items()
    )
    return (
        f"In batches of {batch} a slice takes {embedding:.1f} ms to embed on all cores, and "
        f"{preparing} to prepare on one."
    )
