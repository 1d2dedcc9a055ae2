"""The embedding benchmark's samples as tables and sentences."""

from collections.abc import Iterator
from typing import Any

from benchmarks.embed.cuda import COMPILED, EAGER
from benchmarks.embed.pipeline import HALVES, WORKER
from benchmarks.section import Section, Table
from benchmarks.spread import Spread

OURS, PEER = "Precuneus' encoder", "ResNet-50"
Key = tuple[int, int, str]  # size, batch, network


def results(samples: dict[str, Any]) -> Section:
    """Tables of slices per second, and how the encoder stands to the ResNet-50."""
    rates = {_parse(key): Spread.of(found) for key, found in samples["slices_per_s"].items()}
    return Section(
        name="embed",
        tables=(
            _networks(rates),
            _worker(samples),
            *_cuda_tables(samples["cuda"]),
            Table(
                "Slices of 512 x 512 prepared per second, one process",
                ("modality", "slices/s"),
                tuple(
                    (modality, Spread.of(found).text())
                    for modality, found in samples["prepared_per_s"].items()
                ),
            ),
        ),
        notes=(
            f"The encoder is {samples['encoder']}, whose input is {samples['size']} pixels wide; "
            f"torch used {samples['threads']} threads.",
            *_against_resnet(rates),
            *_by_batch(rates),
            _pipeline_note(samples),
            *_cuda_notes(samples["cuda"]),
        ),
        data=samples,
    )


def _parse(key: str) -> Key:
    size, batch, name = key.split("/")
    return int(size), int(batch), name


def _networks(rates: dict[Key, Spread]) -> Table:
    rows = tuple(
        (name, f"{size} x {size}", str(batch), spread.text(1), f"{1000 / spread.median:.1f}")
        for (size, batch, name), spread in sorted(rates.items(), key=lambda item: item[0][:2])
    )
    columns = ("network", "input", "batch", "slices/s", "ms a slice")
    return Table("Slices embedded per second: median (lowest–highest)", columns, rows)


def _against_resnet(rates: dict[Key, Spread]) -> Iterator[str]:
    """One sentence for each size and batch, against the faster way of the ResNet-50."""
    for size, batch in sorted({key[:2] for key in rates}):
        ours = rates[size, batch, OURS].median
        theirs = max(
            spread.median
            for (s, b, name), spread in rates.items()
            if (s, b) == (size, batch) and name.startswith(PEER)
        )
        yield (
            f"At {size} pixels, batch {batch}, a slice takes the encoder {theirs / ours:.2f} times "
            "as long as the ResNet-50."
        )


def _by_batch(rates: dict[Key, Spread]) -> Iterator[str]:
    """Whether large batches slow the encoder down."""
    for size in sorted({key[0] for key in rates}):
        one = rates[size, 1, OURS].median
        others = sorted(b for s, b, name in rates if (s, name) == (size, OURS) and b > 1)
        ratios = ", ".join(f"{one / rates[size, b, OURS].median:.2f} (batch {b})" for b in others)
        yield f"At {size} pixels a slice in a batch takes the encoder, against one alone: {ratios}."


def _worker(samples: dict[str, Any]) -> Table:
    processes, threads = samples["decode_processes"], samples["threads"]
    names = {
        "decoding": f"decoding and preparing alone, processes: {processes}",
        "embedding": f"embedding alone, threads: {threads}",
        WORKER: "the worker, fed by files",
    }
    spreads = {name: Spread.of(found) for name, found in samples["pipeline_per_s"].items()}
    rows = tuple((what, spreads[name].text(1)) for name, what in names.items())
    return Table("A worker and its halves: slices per second", ("stage", "slices/s"), rows)


def _pipeline_note(samples: dict[str, Any]) -> str:
    """What the worker keeps of its slower half, and of what the cores allow."""
    rates = {name: Spread.of(found).median for name, found in samples["pipeline_per_s"].items()}
    slower = min(HALVES, key=lambda half: rates[half])
    cores = samples["threads"]
    busy = cores / rates["embedding"] + samples["decode_processes"] / rates["decoding"]
    return (
        f"The worker keeps {rates[WORKER] / rates[slower]:.2f} of {slower} alone, the slower half. "
        f"Both halves share {cores} cores, which allow {cores / busy:.1f} slices/s when each slice "
        "costs what it costs alone."
    )


def _cuda_tables(found: list[dict[str, Any]]) -> Iterator[Table]:
    title = "On a GPU: slices per second and share of the peak"
    columns = ("way", "slices/s", "TFLOP/s", "of the peak")
    if not found:
        rows: tuple[tuple[str, ...], ...] = (("not measured: no GPU", "–", "–", "–"),)
        yield Table(title, columns, rows)
        return
    first, rows = found[0], ()
    for way in _measured(found):
        spread = Spread.of([sample["slices_per_s"][way] for sample in found])
        tflops = spread.median * first["flop"] / 1e12
        peaks = first["peak_tflops"]
        share = f"{tflops / peaks['bfloat16' in way]:.1%}" if peaks else "unknown"
        rows += ((way, spread.text(), f"{tflops:.1f}", share),)
    yield Table(f"{title} ({first['device']}, batch {first['batch']})", columns, rows)


def _measured(found: list[dict[str, Any]]) -> list[str]:
    """The ways that ran in every repetition."""
    return [
        way
        for way in found[0]["slices_per_s"]
        if all(way in sample["slices_per_s"] for sample in found)
    ]


def _cuda_notes(found: list[dict[str, Any]]) -> Iterator[str]:
    if not found:
        return
    rates = {
        way: Spread.of([sample["slices_per_s"][way] for sample in found]).median
        for way in _measured(found)
    }
    if COMPILED in rates and EAGER in rates:
        yield f"On the GPU, {COMPILED} is {rates[COMPILED] / rates[EAGER]:.1f} times {EAGER}."
    for way, why in found[0]["failed"].items():
        yield f"On the GPU, {way} could not be measured: {why}"
