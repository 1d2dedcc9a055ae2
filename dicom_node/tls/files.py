"""The files that TLS needs, all in PEM: what lies where, and whether it changed."""

import stat
from dataclasses import dataclass
from pathlib import Path

from dicom_node.errors import TlsFilesUnusable

Stamp = tuple[tuple[int, ...] | None, ...]
_EXPOSED = stat.S_IROTH | stat.S_IWOTH


@dataclass(frozen=True)
class TlsFiles:
    """Our certificate (with its chain, if any), its key, and whose signatures we trust.

    Without `key` the key stands in the certificate's file. `ca` may hold authorities and single
    certificates of peers; `crl` lists those that their authorities have revoked.
    """

    certificate: Path
    key: Path | None = None
    ca: Path | None = None
    crl: Path | None = None

    @property
    def key_file(self) -> Path:
        """Where the private key is."""
        return self.key or self.certificate

    @property
    def all(self) -> tuple[Path, ...]:
        """Each file once."""
        named = (self.certificate, self.key_file, self.ca, self.crl)
        return tuple(dict.fromkeys(path for path in named if path is not None))

    def stamp(self) -> Stamp:
        """Another one whenever a file has been replaced, written to, or given other rights."""
        return tuple(map(_stamp, self.all))

    def require_readable(self) -> None:
        """Make sure that all are there.

        Raises:
            TlsFilesUnusable: one is not; the message says which and why.
        """
        for path in self.all:
            try:
                path.open("rb").close()
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise TlsFilesUnusable(f"{path} cannot be read: {reason}") from None

    def is_key_exposed(self) -> bool:
        """Whether every user of this machine may read the private key, or change it."""
        return bool(self.key_file.stat().st_mode & _EXPOSED)


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    # The change time tells of new rights, too: they may heal what could not be read.
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
