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

from dicom_node.errors import DicomError
from dicom_node.tls.contexts import acceptor_context
from dicom_node.tls.files import Stamp, TlsFiles
from dicom_node.tls.own import OwnCertificate, concerns, examine_own

# A new context also means new keys for the tickets by which TLS 1.2 resumes.
_RENEWAL_S = 6 * 3600.0
_log = logging.getLogger("precuneus.node")


@dataclass(frozen=True)
class TlsAcceptance:
    """How associations over TLS are accepted; port 0 takes a free one.

    `demand` is as `acceptor_context` has it. `check_s`: how often the files are looked at.
    """

    files: TlsFiles
    port: int = 2762
    demand: bool | None = None
    check_s: float = 2.0


class ContextKeeper:
    """Holds the context that new associations are accepted with."""

    def __init__(self, acceptance: TlsAcceptance) -> None:
        """Load the files.

        Raises:
            TlsFilesUnusable: they cannot be used.
        """
        self._acceptance = acceptance
        self._seen = self._used = acceptance.files.stamp()
        self._loaded = time.monotonic()
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
            is_due = time.monotonic() - self._loaded > _RENEWAL_S
            if is_settled and (stamp != self._used or is_due):
                self._replace(stamp)

    def _replace(self, stamp: Stamp) -> None:
        self._used, self._loaded = stamp, time.monotonic()
        try:
            self.context = self._load()
        except (DicomError, OSError) as error:
            text = str(error) if isinstance(error, DicomError) else type(error).__name__
            fields = {"action": "tls.unusable", "reason": text}
            _log.error("the new TLS files are not used: %s; the old ones stay", text, extra=fields)

    def _load(self) -> ssl.SSLContext:
        files = self._acceptance.files
        own = examine_own(files)
        context = acceptor_context(files, demand=self._acceptance.demand)
        _report(files, own, context)
        return context


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
