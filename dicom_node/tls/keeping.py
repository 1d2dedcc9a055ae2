"""Keeps the acceptor's context up to date with its files, while the node runs.

The files are looked at every few seconds, in a thread of its own. No signal asks for it: SIGHUP
already ends `precuneus serve`, and whatever renews certificates need not know the process. Running
associations keep what they began with.
"""

import logging
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from dicom_node.errors import DicomError
from dicom_node.tls.contexts import acceptor_context
from dicom_node.tls.files import Stamp, TlsFiles
from dicom_node.tls.own import OwnCertificate, concerns, examine_own
from dicom_node.tls.revocation import lapses_at

# A new context also means new keys for the tickets by which TLS 1.2 resumes.
_RENEWAL_S = 6 * 3600.0
_log = logging.getLogger("precuneus.node")


@dataclass(frozen=True)
class TlsAcceptance:
    """How associations over TLS are accepted; port 0 takes a free one.

    `demand` is as `acceptor_context` has it. `check_s`: how often the files are looked at;
    `retry_s`: how often such as could not be used are tried again, since time may mend them.
    """

    files: TlsFiles
    port: int = 2762
    demand: bool | None = None
    check_s: float = 2.0
    retry_s: float = 60.0


class ContextKeeper:
    """Holds the context that new associations are accepted with."""

    def __init__(self, acceptance: TlsAcceptance) -> None:
        """Load the files.

        Raises:
            TlsFilesUnusable: they cannot be used.
        """
        self._acceptance = acceptance
        self._seen = self._used = acceptance.files.stamp()
        self._tried = time.monotonic()
        self._fault: str | None = None
        self._lapses: datetime | None = None
        self.context = self._load()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="dicom-tls", daemon=True)

    def start(self) -> None:
        """Look at the files from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _keep(self) -> None:
        while not self._ended.wait(self._acceptance.check_s):
            stamp = self._acceptance.files.stamp()
            # Certificate and key are seldom replaced in one moment: wait until they rest.
            is_settled, self._seen = stamp == self._seen, stamp
            if is_settled and (stamp != self._used or self._is_due()):
                self._replace(stamp)

    def _is_due(self) -> bool:
        """Whether the same files make another context than they did.

        Who resumes a session of TLS 1.2 is not judged again: a list that has lapsed ends them all.
        """
        waited_s = time.monotonic() - self._tried
        if self._fault is not None:
            return waited_s > self._acceptance.retry_s
        has_lapsed = self._lapses is not None and self._lapses < datetime.now(UTC)
        return has_lapsed or waited_s > _RENEWAL_S

    def _replace(self, stamp: Stamp) -> None:
        told = self._fault if stamp == self._used else None
        self._used, self._tried = stamp, time.monotonic()
        try:
            self.context, self._fault = self._load(), None
        except (DicomError, OSError) as error:
            self._fault = str(error) if isinstance(error, DicomError) else type(error).__name__
            if self._fault != told:
                _tell_unusable(self._fault)

    def _load(self) -> ssl.SSLContext:
        files = self._acceptance.files
        own = examine_own(files)
        context = acceptor_context(files, demand=self._acceptance.demand)
        self._lapses = None if files.crl is None else lapses_at(files.crl)
        _report(files, own, context)
        return context


def _tell_unusable(reason: str) -> None:
    fields = {"action": "tls.unusable", "reason": reason}
    _log.error("the new TLS files are not used: %s; the old ones stay", reason, extra=fields)


def _report(files: TlsFiles, own: OwnCertificate, context: ssl.SSLContext) -> None:
    fields = {
        "action": "tls.loaded",
        "certificate_sha256": own.identity.fingerprint,
        "names": list(own.identity.names),
        "not_after": own.not_after.isoformat(),
        "peers_certificates": context.verify_mode.name,
    }
    _log.info("TLS certificate in use", extra=fields)
    for concern in concerns(files, own):
        _log.warning("%s", concern, extra={"action": "tls.concern", "reason": concern})
