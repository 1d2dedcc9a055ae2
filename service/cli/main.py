"""The command `precuneus` and how its errors end: 1 for a failure, 2 for wrong usage."""

import re
import signal
import sys

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.errors import DicomError
from model.errors import ModelError
from service.cli import api, db, encoder, gallery, index, model, node, service, worker
from service.errors import ServiceError


def build_app() -> typer.Typer:
    """All commands, under their groups."""
    app = typer.Typer(
        name="precuneus",
        help="Finds brain CT and MR slices similar to a given one in a hospital's own archive.\n\n"
        "Settings are read from PRECUNEUS_… variables and .env; `precuneus doctor` shows them.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    service.add_commands(app)
    app.add_typer(node.build_app(), name="node")
    app.add_typer(worker.build_app(), name="worker")
    app.add_typer(api.build_app(), name="api")
    app.add_typer(db.build_app(), name="db")
    app.add_typer(gallery.build_app(), name="gallery")
    app.add_typer(encoder.build_app(), name="encoder")
    app.add_typer(index.build_app(), name="index")
    app.add_typer(model.build_app(), name="model")
    return app


def main() -> None:
    """Run the command and turn an error into a sentence and an exit code."""
    # Python's default would skip the clean-up, and leave the embedded database running.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
    try:
        build_app()()
    except ServiceError as error:
        _fail(str(error), error.exit_code)
    except ValidationError as error:
        _fail(_settings_fault(error), 2)
    except SettingsError as error:
        _fail(_unreadable_setting(error), 2)
    except SQLAlchemyError as error:
        # Its own text may quote values of the statement.
        _fail(f"The database does not answer ({type(error).__name__}). See `precuneus doctor`.", 1)
    except (DicomError, ModelError) as error:
        _fail(str(error), 1)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), 1)
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(message: str, exit_code: int) -> None:
    typer.secho(f"precuneus: {message}", fg="red", err=True)
    sys.exit(exit_code)


def _settings_fault(error: ValidationError) -> str:
    faults = [
        f"PRECUNEUS_{'__'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
        for fault in error.errors(include_input=False)
    ]
    return "a setting is wrong. " + "; ".join(faults)


def _unreadable_setting(error: SettingsError) -> str:
    """Of a whole group given at once, which must be JSON; the library's text names its field."""
    found = re.search(r'field "(\w+)"', str(error))
    name = f"PRECUNEUS_{found[1].upper() if found else '…'}"
    return f"a setting is wrong. {name} is no JSON; set its parts, as {name}__…"


if __name__ == "__main__":
    main()
