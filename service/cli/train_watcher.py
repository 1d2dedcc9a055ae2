"""Shows a training run on standard error: a bar with the time left, and a line an epoch."""

from datetime import timedelta

from rich.progress import Progress, TaskID

from model.training.config import EpochMetrics


class TrainWatcher:
    """Tells a person, or a log, how far a run is; `epochs` is their number."""

    def __init__(self, progress: Progress, epochs: int) -> None:
        self._progress = progress
        self._epochs = epochs
        self._tasks: dict[str, TaskID] = {}
        self._told_duration = False

    def reading(self, done: int, total: int) -> None:
        """Files decoded."""
        self._show("reading", done, total)

    def step(self, done: int, total: int) -> None:
        """Steps of the optimiser taken."""
        self._show("training", done, total)

    def epoch(self, metrics: EpochMetrics) -> None:
        """A line of figures, and after the first epoch how long the rest will take."""
        self.say(epoch_line(metrics, self._epochs))
        left = self._epochs - metrics.epoch
        if left and not self._told_duration:
            seconds = round(left * metrics.seconds)
            self.say(f"about {timedelta(seconds=seconds)} to go for {left} more epochs")
            self._told_duration = True

    def say(self, words: str) -> None:
        """A line above the bar."""
        self._progress.console.print(words, markup=False, highlight=False, soft_wrap=True)

    def _show(self, name: str, done: int, total: int) -> None:
        if name not in self._tasks:
            # What an interrupted run did is no measure of this one's speed.
            self._tasks[name] = self._progress.add_task(name, total=total, completed=done - 1)
        self._progress.update(self._tasks[name], completed=done, total=total)


def epoch_line(metrics: EpochMetrics, epochs: int) -> str:
    """The figures of one epoch."""
    parts = [
        f"epoch {metrics.epoch}/{epochs}",
        f"loss {metrics.loss:.4f}",
        f"accuracy {metrics.accuracy:.3f}",
        f"{metrics.seconds:.0f} s",
    ]
    if metrics.validation_map is not None and metrics.validation_precision_at_10 is not None:
        found = f"validation mAP {metrics.validation_map:.4f}"
        parts.insert(3, f"{found}, P@10 {metrics.validation_precision_at_10:.4f}")
    return "  ".join(parts)
