"""Refuses what a training run cannot do before any file is decoded, which may take minutes."""

from model.checkpoint import GroupKind
from model.training.distributed import World
from model.training.leaks import Listed, check_listed
from model.training.origin import Origin
from model.training.saved_run import holds_run, refuse_other_settings
from service.errors import InvalidParameter
from service.training_plan import Split, TrainingPlan


def check_plan(split: Split, plan: TrainingPlan, world: World) -> None:
    """See that a run may begin or go on, as far as lists and files tell.

    Raises:
        InvalidParameter: the folder holds a run that is not to be taken up.
        TrainingError: it holds another run, the slices cannot teach or leak, or batches do not
            divide among the processes.
    """
    start = plan.start
    origin = None if start is None else Origin.of(start, plan.options.start_saw_none)
    if holds_run(plan.out_dir):
        if not plan.resume:
            raise InvalidParameter(
                f"{plan.out_dir} holds a run already: go on with it by --resume, "
                "or name another --out"
            )
        origin = refuse_other_settings(plan.out_dir, plan.config, origin)
    world.require_even(plan.config.sampling.batch_size)
    training, validation = _listed(split, plan.named_by)
    check_listed(training, validation, origin)


def _listed(split: Split, named_by: GroupKind) -> tuple[Listed, Listed | None]:
    names = tuple(sorted({row.label for row in (*split.training, *split.validation)}))
    training = Listed.of_rows(split.training, names, named_by)
    if not split.validation:
        return training, None
    return training, Listed.of_rows(split.validation, names, named_by)
