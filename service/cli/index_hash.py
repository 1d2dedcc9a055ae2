"""`precuneus index hash`: searching by binary codes, made or dropped."""

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.output import JsonOption, print_json, progress_bar
from service.errors import InvalidParameter
from service.settings import Settings

if TYPE_CHECKING:
    from service.hashing.tables import CodeState


def hash_(
    bits: Annotated[
        int | None, typer.Option(help="64, 128 or 256: make codes of that length.")
    ] = None,
    learnt: Annotated[
        bool, typer.Option("--learnt", help="By the encoder's own hash head, if it has one.")
    ] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Forget the codes.")] = False,
    json: JsonOption = False,
) -> None:
    """Make binary codes of the active encoder's embeddings, for searches with method=hash.

    Off by default: codes find fewer of the true neighbours, in a much smaller index. New slices
    get theirs by themselves. Without options, tell how far the codes are.
    """
    from service.encoders.registry import get_active
    from service.hashing.filling import drop_active_codes, make_codes
    from service.hashing.tables import code_state
    from service.opening import open_gallery

    if drop and bits is not None:
        raise InvalidParameter("Say --bits or --drop, not both.")
    settings = Settings()
    with open_gallery(settings) as engine:
        if bits is not None:
            with progress_bar() as progress:
                task = progress.add_task("codes", total=None)

                def tell(step: str, done: int, total: int) -> None:
                    progress.update(task, description=step, completed=done, total=total)

                make_codes(engine, settings, bits, tell, learnt=learnt)
        if drop:
            drop_active_codes(engine)
        with engine.connect() as connection:
            state = code_state(connection, get_active(connection).encoder_id)
    if json:
        print_json({"codes": None} if state is None else state)
    else:
        typer.echo(_sentence(state))


def _sentence(state: "CodeState | None") -> str:
    if state is None:
        return "There are no codes; searches go by the embeddings alone."
    ready = "ready" if state.is_ready else "unfinished: give --bits again"
    megabytes = (state.bytes + state.index_bytes) / 1024**2
    return (
        f"{state.codes} of {state.slices} slices have codes of {state.bits} bits, {state.origin}; "
        f"{megabytes:.1f} MiB with their index; {ready}."
    )
