"""`precuneus model …`: what is done with the encoder itself, without a gallery.

Each command has a file of its own, and imports torch only when it is run.
"""

import typer

from service.cli import (
    model_check_evidence,
    model_check_explanations,
    model_evaluate,
    model_evaluate_studies,
    model_explain,
    model_train,
)


def build_app() -> typer.Typer:
    """The group's commands."""
    app = typer.Typer(help="The encoder: training and figures.", no_args_is_help=True)
    app.command("train")(model_train.train)
    app.command("evaluate")(model_evaluate.evaluate)
    app.command("evaluate-studies")(model_evaluate_studies.evaluate_studies)
    app.command("explain")(model_explain.explain)
    app.command("check-explanations")(model_check_explanations.check_explanations)
    app.command("check-evidence")(model_check_evidence.check_evidence)
    return app
