"""What the doctor says of huge pages. Only advice: the kernel's settings are an administrator's.

Through pages of 2 MB instead of 4 kB the processor finds its way to shared_buffers with fewer
look-ups. PostgreSQL takes them by itself (huge_pages = try) where the kernel has set them aside.
"""

from sqlalchemy import Connection

from service.finding import Finding
from service.tuning.gallery import GallerySize, current_settings
from service.tuning.server import MIB, shown_size

_SUBJECT = "huge pages"
_NEEDED = "shared_memory_size_in_huge_pages"
# Below some ten thousand slices a walk stays within few pages of either size.
_SMALL_INDEX = 64 * MIB
_GAIN = "walks through the index were 10 to 12 % faster with them at 100,000 slices"


def advise_huge_pages(connection: Connection, size: GallerySize) -> Finding | None:
    """Whether the server has them, and how many to set aside; None where it cannot be told."""
    found = current_settings(connection, ["huge_pages", "huge_pages_status", _NEEDED])
    status, needed = found.get("huge_pages_status"), int(found.get(_NEEDED, -1))
    if status not in ("on", "off") or needed <= 0:
        return None
    if status == "on":
        return Finding(_SUBJECT, "ok", "shared memory lies in them")
    told = f"not in use; {_GAIN}"
    if size.index_bytes < _SMALL_INDEX:
        return Finding(_SUBJECT, "ok", f"{told}; this index is small ({_index(size)})")
    remedy = (
        f"If you like, reserve {needed} of them for shared memory: `sysctl -w vm.nr_hugepages="
        f"{needed}` on the server's host, the same in /etc/sysctl.d to keep it, then restart the "
        "server. Nothing else can use that memory."
    )
    if found["huge_pages"] == "off":
        remedy = f"Set huge_pages to try. {remedy}"
    return Finding(_SUBJECT, "note", f"{told}; the index has {_index(size)}", remedy)


def _index(size: GallerySize) -> str:
    return shown_size(size.index_bytes)
