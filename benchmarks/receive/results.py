"""The receiving benchmark's samples as tables and sentences."""

from collections.abc import Iterator

from benchmarks.receive.latency import Latency
from benchmarks.receive.measure import ASSOCIATIONS, KINDS, Measured, Receiving
from benchmarks.receive.objects import CT, Kind
from benchmarks.receive.storescp import FORK
from benchmarks.section import Section, Table
from benchmarks.spread import Spread

_HEADINGS = tuple(f"{n} association{'s' if n > 1 else ''}" for n in ASSOCIATIONS)
_ONE, _, _TEN = ASSOCIATIONS
_US, _ORTHANC, _STORESCP = "Precuneus", "Orthanc", f"storescp {' '.join(FORK)}"


def results(receiving: Receiving) -> Section:
    """Tables of rates, CPU time and single stores, what they are worth, and how we stand."""
    sent = " and ".join(f"{number} ({kind.name})" for kind, number in receiving.instances.items())
    return Section(
        name="receive",
        tables=tuple(_tables(receiving)),
        notes=(
            f"Instances in each push: {sent}, each push under new UIDs; no worker ran.",
            "The disk alone: files of that size written and synced by as many threads, no network.",
            *_standing(receiving),
            *_latency_notes(receiving.latency),
            *(_where(one, receiving) for one in receiving.measured if one.receiver.synced),
            *(f"Left out: {reason}." for reason in receiving.skipped),
        ),
        data=_data(receiving),
    )


def _data(receiving: Receiving) -> dict[str, object]:
    return {
        "disk_files_per_s": {_name(case): rates for case, rates in receiving.disk.items()},
        "receivers": {
            one.receiver.name: {
                _name(case): [{"instances_per_s": p.rate, "cpu_ms": p.cpu_ms} for p in pushes]
                for case, pushes in one.pushes.items()
            }
            for one in receiving.measured
        },
        "association_and_store_s": receiving.latency.visits,
        "store_s": {case or "undisturbed": s for case, s in receiving.latency.stores.items()},
    }


def _name(case: tuple[Kind, int]) -> str:
    return f"{case[0].name}, {case[1]}"


def _tables(receiving: Receiving) -> Iterator[Table]:
    measured = receiving.measured
    columns = ("receiver", *_HEADINGS)
    for kind in KINDS:
        disk = (Spread.of(receiving.disk[kind, n]).text() for n in ASSOCIATIONS)
        rows = [
            (one.receiver.name, *(one.rates((kind, n)).text() for n in ASSOCIATIONS))
            for one in measured
        ]
        rows.append(("the disk alone", *disk))
        title = f"{kind.name}: instances per second, median (lowest–highest)"
        yield Table(title, columns, tuple(rows))
        cpu = tuple(
            (one.receiver.name, *(one.cpu_ms((kind, n)).text(1) for n in ASSOCIATIONS))
            for one in measured
        )
        title = f"{kind.name}: receiver's CPU milliseconds per instance, median (lowest–highest)"
        yield Table(title, columns, cpu)
    yield _stores(receiving.latency)
    worth = tuple((r.name, r.durable, r.registers) for r in (one.receiver for one in measured))
    yield Table("What an answer of success is worth", ("receiver", "durable", "index"), worth)


def _stores(latency: Latency) -> Table:
    """One sender with one association, milliseconds, beside nothing and beside each abuse."""
    rows = tuple(
        (case or "nothing", *(f"{1000 * ms:.1f}" for ms in (Spread.of(s).median, _p99(s))))
        for case, s in latency.stores.items()
    )
    title = f"{CT.name} to {_US}: milliseconds from first byte to answer, while beside it comes"
    return Table(title, ("abuse", "p50", "p99"), rows)


def _standing(receiving: Receiving) -> Iterator[str]:
    by_name = {one.receiver.name: one for one in receiving.measured}
    ours = by_name[_US]
    counts = ", ".join(map(str, ASSOCIATIONS))
    for kind in KINDS:
        if _ORTHANC in by_name:
            rates, cpu = _ratios(ours, by_name[_ORTHANC], kind)
            yield (
                f"{kind.name}, with {counts} associations: Precuneus' rate is {rates} times "
                f"Orthanc's, its CPU per instance {cpu} times."
            )
        rates, _ = _ratios(ours, by_name[_STORESCP], kind)
        steady = ours.rates((kind, _TEN)).median / ours.rates((kind, _ONE)).median
        yield (
            f"{kind.name}: Precuneus' rate is {rates} times that of {_STORESCP}, which neither "
            f"syncs nor registers; with {_TEN} associations {steady:.2f} times that with one."
        )


def _ratios(ours: Measured, theirs: Measured, kind: Kind) -> tuple[str, str]:
    """Rates and CPU times over another's, by number of associations."""
    cases = [(kind, n) for n in ASSOCIATIONS]
    rates = (ours.rates(c).median / theirs.rates(c).median for c in cases)
    cpu = (ours.cpu_ms(c).median / theirs.cpu_ms(c).median for c in cases)
    return ", ".join(f"{r:.2f}" for r in rates), ", ".join(f"{r:.2f}" for r in cpu)


def _latency_notes(latency: Latency) -> Iterator[str]:
    visits = {name: Spread.of(seconds).median for name, seconds in latency.visits.items()}
    said = ", ".join(f"{name} {1000 * s:.1f} ms" for name, s in visits.items())
    yield (
        f"A whole association for one store ({CT.name}), median of "
        f"{len(latency.visits[_US])}: {said}. Precuneus takes "
        f"{visits[_US] / visits[_STORESCP]:.2f} times as long as {_STORESCP}."
    )
    calm, abused = _p99(latency.stores[None]), _p99(latency.abused)
    yield (
        f"A good sender's p99 is {1000 * calm:.1f} ms undisturbed and {1000 * abused:.1f} ms under "
        f"abuse, {abused / calm:.2f} times that ({len(latency.abused)} stores of each)."
    )


def _p99(samples: list[float]) -> float:
    return Spread.of(samples).percentile(99)


def _where(one: Measured, receiving: Receiving) -> str:
    """Where an instance's time goes when one association waits for each answer."""
    case = CT, _ONE
    whole = 1000 / one.rates(case).median
    disk = 1000 / Spread.of(receiving.disk[case]).median
    parts = ", ".join(f"{part} {one.cpu_ms(case, part).median:.1f}" for part in one.receiver.roots)
    return (
        f"{CT.name}, 1 association: an instance takes {whole:.1f} ms at {one.receiver.name}, of "
        f"which {one.cpu_ms(case).median:.1f} ms is its CPU ({parts}); the disk alone takes such a "
        f"file in {disk:.1f} ms."
    )
