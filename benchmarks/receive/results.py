"""The receiving benchmark's samples as tables and sentences."""

from benchmarks.receive.measure import ASSOCIATIONS, Measured, Receiving
from benchmarks.section import Section, Table
from benchmarks.spread import Spread

_HEADINGS = tuple(f"{n} association{'s' if n > 1 else ''}" for n in ASSOCIATIONS)


def results(receiving: Receiving) -> Section:
    """Tables of rates and of CPU time, what they are worth, and how we stand to Orthanc."""
    return Section(
        name="receive",
        tables=_tables(receiving),
        notes=(
            f"{receiving.instances} instances of 512 KB in each push, "
            "each push under new UIDs; no worker ran.",
            "The disk alone: files of that size written and synced by as many threads, no network.",
            *_against_orthanc(receiving.measured),
            *(_where(one, receiving) for one in receiving.measured if one.receiver.synced),
            *(f"Left out: {reason}." for reason in receiving.skipped),
        ),
        data={
            "instances_per_push": receiving.instances,
            "disk_files_per_s": receiving.disk,
            "receivers": {
                one.receiver.name: {
                    "instances_per_s": one.rates,
                    "cpu_ms_per_instance": one.parts_ms,
                }
                for one in receiving.measured
            },
        },
    )


def _tables(receiving: Receiving) -> tuple[Table, ...]:
    measured = receiving.measured
    columns = ("receiver", *_HEADINGS)
    rates = tuple((one.receiver.name, *_row(one.rates)) for one in measured)
    cpu = tuple((one.receiver.name, *_row(one.cpu_ms, digits=1)) for one in measured)
    worth = tuple((r.name, r.durable, r.registers) for r in (one.receiver for one in measured))
    disk = ("the disk alone", *_row(receiving.disk))
    return (
        Table("Instances per second: median (lowest–highest)", columns, (*rates, disk)),
        Table("Receiver's CPU milliseconds per instance: median (lowest–highest)", columns, cpu),
        Table("What an answer of success is worth", ("receiver", "durable", "index"), worth),
    )


def _row(samples: dict[int, list[float]], digits: int = 0) -> tuple[str, ...]:
    return tuple(Spread.of(samples[n]).text(digits) for n in ASSOCIATIONS)


def _against_orthanc(measured: tuple[Measured, ...]) -> tuple[str, ...]:
    by_name = {one.receiver.name: one for one in measured}
    if "Orthanc" not in by_name:
        return ()
    ours, theirs = by_name["Precuneus"], by_name["Orthanc"]
    ratios = ", ".join(
        f"{Spread.of(ours.rates[n]).median / Spread.of(theirs.rates[n]).median:.2f}"
        for n in ASSOCIATIONS
    )
    counts = ", ".join(str(n) for n in ASSOCIATIONS)
    return (f"Precuneus' rate over Orthanc's, with {counts} associations: {ratios}.",)


def _where(one: Measured, receiving: Receiving) -> str:
    """Where an instance's time goes when one association waits for each answer."""
    whole = 1000 / Spread.of(one.rates[1]).median
    disk = 1000 / Spread.of(receiving.disk[1]).median
    cpu = Spread.of(one.cpu_ms[1]).median
    parts = ", ".join(f"{part} {Spread.of(ms[1]).median:.1f}" for part, ms in one.parts_ms.items())
    return (
        f"With 1 association an instance takes {whole:.1f} ms at {one.receiver.name}, of which "
        f"{cpu:.1f} ms is its CPU ({parts}); the disk alone takes such a file in {disk:.1f} ms."
    )
