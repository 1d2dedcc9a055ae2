"""What `precuneus doctor` says of encoders: which answers, and whether it has all that it needs."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine

from service.encoders.files import kept_checkpoint
from service.encoders.registry import FOLLOWED, list_encoders
from service.encoders.standing import Standing, standing_of
from service.finding import Finding
from service.reindex.runs import run_under_way


def examine_encoders(engine: Engine, state_dir: Path) -> Iterator[Finding]:
    """Look at the active encoder, at those that follow it, and at a reindex under way."""
    with engine.connect() as connection:
        yield _active(connection, state_dir)
        for facts in list_encoders(connection, *FOLLOWED):
            yield _follower(connection, standing_of(connection, facts))


def _active(connection: Connection, state_dir: Path) -> Finding:
    found = list_encoders(connection, "active")
    if not found:
        remedy = "Start the service: its worker registers the first one."
        return Finding("active encoder", "note", "none yet", remedy)
    active = found[0]
    standing = standing_of(connection, active)
    if not (standing.weights_kept or kept_checkpoint(state_dir, active.name).exists()):
        remedy = "Restore encoders/ of the state folder, or `precuneus encoder register` its file."
        return Finding("active encoder", "wrong", f"{active.name}: weights missing", remedy)
    if standing.index != "valid":
        remedy = "Run `precuneus index rebuild`: until then searches read every row."
        detail = f"{active.name}: its index is {standing.index}"
        return Finding("active encoder", "wrong", detail, remedy)
    return Finding("active encoder", "ok", f"{active.name}, {active.dimension} coordinates")


def _follower(connection: Connection, standing: Standing) -> Finding:
    subject, name = "other encoder", standing.name
    running = run_under_way(connection)
    if running is not None and running.encoder_id == standing.encoder_id:
        detail = f"{name} is being filled ({running.phase})"
        if running.fault:
            return Finding(subject, "note", f"{detail}: {running.fault}", "It is tried again.")
        return Finding(subject, "ok", detail)
    if standing.state == "held":
        remedy = f"`precuneus encoder show {standing.encoder_id}` says why its gate did not pass."
        return Finding(subject, "note", f"{name} is held", remedy)
    megabytes = f"{standing.bytes / 1e6:.0f} MB"
    detail = f"{name} may answer at any time, {standing.behind} instances behind, {megabytes}"
    return Finding(subject, "ok", detail)
