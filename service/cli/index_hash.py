"""`precuneus index hash`: searching by binary codes, made, measured or dropped."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from sqlalchemy import Engine

from service.cli.output import JsonOption, print_json, print_table, progress_bar
from service.errors import InvalidParameter
from service.settings import Settings

if TYPE_CHECKING:
    from service.hashing.measuring import Measured
    from service.hashing.tables import CodeState


def hash_(
    bits: Annotated[
        int | None, typer.Option(help="64, 128 or 256: make codes of that length.")
    ] = None,
    learnt: Annotated[
        bool, typer.Option("--learnt", help="By the encoder's own hash head, if it has one.")
    ] = False,
    measure: Annotated[
        int, typer.Option(min=0, help="Ask so many queries by codes, and as usual.")
    ] = 0,
    drop: Annotated[bool, typer.Option("--drop", help="Forget the codes.")] = False,
    json: JsonOption = False,
) -> None:
    """Make binary codes of the active encoder's embeddings, for searches with method=hash.

    Off by default: codes find fewer of the true neighbours, in a much smaller index. New slices
    get theirs by themselves. Without options, tell how far the codes are.
    """
    from service.encoders.registry import get_active
    from service.hashing.tables import code_state
    from service.opening import open_gallery

    if drop and (bits is not None or measure):
        raise InvalidParameter("Say --drop alone.")
    settings = Settings()
    with open_gallery(settings) as engine:
        if bits is not None:
            _make(engine, settings, bits, learnt=learnt)
        if drop:
            _drop(engine)
        with engine.connect() as connection:
            state = code_state(connection, get_active(connection).encoder_id)
        measured = _measure(engine, measure) if measure else []
    _print(state, measured, json=json)


def _print(state: "CodeState | None", measured: "list[Measured]", *, json: bool) -> None:
    if json:
        print_json(_facts(state, measured))
        return
    typer.echo(_sentence(state))
    if measured:
        columns = ("search", "recall@10", "p50 ms", "p99 ms")
        rows = [
            (m.search, f"{m.recall:.4f}", f"{m.p50_ms:.2f}", f"{m.p99_ms:.2f}") for m in measured
        ]
        print_table("Searches", columns, rows)


def _make(engine: Engine, settings: Settings, bits: int, *, learnt: bool) -> None:
    from service.hashing.filling import make_codes

    with progress_bar() as progress:
        task = progress.add_task("codes", total=None)

        def tell(step: str, done: int, total: int) -> None:
            progress.update(task, description=step, completed=done, total=total)

        make_codes(engine, settings, bits, tell, learnt=learnt)


def _drop(engine: Engine) -> None:
    from service.hashing.filling import drop_active_codes

    drop_active_codes(engine)


def _measure(engine: Engine, queries: int) -> "list[Measured]":
    from service.encoders.registry import get_active
    from service.hashing.measuring import measure_codes

    with engine.connect() as connection, progress_bar() as progress:
        task = progress.add_task("measuring", total=None)
        encoder = get_active(connection)
        return measure_codes(connection, encoder, queries, lambda: progress.advance(task))


def _facts(state: "CodeState | None", measured: "list[Measured]") -> dict[str, Any]:
    from dataclasses import asdict

    codes = None if state is None else asdict(state) | {"is_ready": state.is_ready}
    return {"codes": codes, "measured": [asdict(one) for one in measured]}


def _sentence(state: "CodeState | None") -> str:
    if state is None:
        return "There are no codes; searches go by the embeddings alone."
    ready = "ready" if state.is_ready else "unfinished: give --bits again"
    megabytes = (state.bytes + state.index_bytes) / 1024**2
    return (
        f"{state.codes} of {state.slices} slices have codes of {state.bits} bits, {state.origin}; "
        f"{megabytes:.1f} MiB with their index; {ready}."
    )
