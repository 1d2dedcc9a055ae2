"""What can be wrong with a gallery, in words, and what to do about each.

Facts only: nothing here looks at a gallery. SOP Instance UIDs and file names are the only subjects.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_EXAMPLES = 10
_RECOVER = "Run `precuneus db recover`, or start the node, which does the same."
_RESTORE = (
    "Restore objects/ from a backup as new as the database's; or delete the instances with "
    "`precuneus gallery delete --instance` and have their PACS send them again."
)
_REPAIR = "Run `precuneus index verify --repair`."
_REBUILD = "Run `precuneus index rebuild`; searches go on meanwhile."


@dataclass(frozen=True)
class Kind:
    """A kind of fault; `mends` says that `--repair` can mend it from what the gallery holds."""

    name: str
    what: str
    remedy: str
    mends: bool = False


FILE_MISSING = Kind("file missing", "files that rows name, and that are not there", _RESTORE)
FILE_CHANGED = Kind("file changed", "files whose size or bytes are not those received", _RESTORE)
FILE_UNREADABLE = Kind(
    "file unreadable",
    "files that the disk does not give",
    "Look at the disk's health and at who owns objects/; then restore them from a backup.",
)
FILE_UNKNOWN = Kind("file unknown", "files that no row names", _RECOVER)
FILE_OF_DELETED = Kind(
    "file of deleted",
    "files of deleted instances that are still there and must not come back",
    "Keep the node running, it removes them within a minute; files that no row names are to be "
    "removed by hand, before `precuneus db recover` takes them in again.",
)
VECTORS_MISSING = Kind(
    "vectors missing", "embedded instances without exactly one vector a frame", _REPAIR, mends=True
)
VECTORS_LEFT = Kind(
    "vectors left", "instances that have vectors and must not be found", _REPAIR, mends=True
)
COPIES_WRONG = Kind(
    "copies wrong", "slices found under facts that are not their instance's", _REPAIR, mends=True
)
LABELS_WRONG = Kind("labels wrong", "slices found under labels they lack", _REPAIR, mends=True)
LENGTH_WRONG = Kind(
    "length wrong", "instances whose vectors are not of unit length", _REPAIR, mends=True
)
JOB_MISSING = Kind(
    "job missing", "instances that wait and that no worker would take", _REPAIR, mends=True
)
JOB_LEFT = Kind("job left", "jobs of instances that do not wait", _REPAIR, mends=True)
DELETED_HERE = Kind(
    "deleted is here",
    "instances that were deleted and have rows although nobody sent them again",
    "They may come from a restored backup: delete them again with `precuneus gallery delete`.",
)
EMPTY = Kind("empty", "series and studies without any instance", _REPAIR, mends=True)
INDEX_MISSING = Kind("index missing", "encoders without an index over their vectors", _REBUILD)
INDEX_INVALID = Kind("index invalid", "indexes that PostgreSQL does not use", _REBUILD)
OUT_OF_REACH = Kind(
    "out of reach",
    "slices that no short walk through the index comes upon, so that searches near them are slow",
    _REBUILD,
)
RECALL_LOW = Kind("recall low", "neighbours that the index did not find", _REBUILD)
VECTOR_DIFFERS = Kind(
    "vector differs",
    "instances whose picture gives another vector than the stored one",
    "Were weights or preprocessing exchanged under the same name? "
    "`precuneus index reindex` embeds all anew.",
)


@dataclass(frozen=True)
class Fault:
    """So many things of one kind are wrong; `examples` are some of them, sorted."""

    kind: str
    count: int
    what: str
    remedy: str
    can_repair: bool
    examples: tuple[str, ...] = ()

    @classmethod
    def of(cls, kind: Kind, count: int, examples: Sequence[str], detail: str = "") -> "Fault":
        """A fault of a kind; `detail` says more of what it is."""
        what = f"{kind.what} ({detail})" if detail else kind.what
        some = tuple(sorted(examples)[:MOST_EXAMPLES])
        return cls(kind.name, count, what, kind.remedy, kind.mends, some)

    def sentence(self) -> str:
        """The fault for a person, with what to do."""
        return f"{self.count} {self.what}. {self.remedy}"
