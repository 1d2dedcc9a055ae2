"""What is wrong with labels that were given: all bad lines, and labels that are not there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from service.errors import InvalidParameter, ServiceError, UploadTooLarge

MAXIMUM_LISTED = 100


@dataclass(frozen=True)
class LineFault:
    """A line of a table, counted from 1 with its header, and why it cannot be taken."""

    line: int
    fault: str


@dataclass
class Faults:
    """The faults of a table: the first ones in full, all of them counted."""

    listed: list[LineFault] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, fault: str) -> None:
        """Note a fault; values of the table have no place in it, since they may be anything."""
        self.count += 1
        if len(self.listed) < MAXIMUM_LISTED:
            self.listed.append(LineFault(line, fault))

    def merge(self, more: Sequence[LineFault], count: int) -> None:
        """Note `count` further faults, of which `more` are the first."""
        self.count += count
        self.listed = sorted([*self.listed, *more], key=lambda fault: fault.line)[:MAXIMUM_LISTED]


class InvalidLabels(InvalidParameter):
    """Lines of a table of labels are wrong, so nothing of it was recorded."""

    title = "Labels not imported"

    def __init__(self, name: str, faults: Faults) -> None:
        lines = "line" if faults.count == 1 else "lines"
        told = [f"{name}: nothing is imported, since {faults.count} {lines} cannot be taken."]
        told += [f"  line {fault.line}: {fault.fault}" for fault in faults.listed]
        if faults.count > len(faults.listed):
            told.append(f"  … and {faults.count - len(faults.listed)} more")
        super().__init__("\n".join(told))
        self.faults = tuple(faults.listed)
        self.fault_count = faults.count

    @property
    def members(self) -> Mapping[str, object]:
        """The bad lines, for scripts."""
        return {
            "fault_count": self.fault_count,
            "faults": [{"line": fault.line, "fault": fault.fault} for fault in self.faults],
        }


class TableTooLarge(UploadTooLarge):
    """A table of labels is beyond what is taken at once, so nothing of it was recorded."""

    title = "Labels not imported"

    def __init__(self, name: str, what: str, setting: str) -> None:
        super().__init__(
            f"{name}: nothing is imported, since {what}. Cut the table, with all lines of a UID in "
            f"the same part: a table replaces what was said of its UIDs. Or raise {setting}."
        )


class LabelUnknown(ServiceError):
    """The subject named has no label of that number."""

    http_status = 404
    title = "Label unknown"
