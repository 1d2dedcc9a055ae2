"""Lists of revoked certificates (CRLs, RFC 5280 5), as a file of PEM blocks.

OpenSSL judges by them; here they are loaded, and read as far as an administrator must know of them:
whose they are, and until when.
"""

import base64
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from dicom_node.errors import TlsFilesUnusable

_BLOCK = re.compile(rb"-----BEGIN X509 CRL-----(.*?)-----END X509 CRL-----", re.DOTALL)
_SOON = timedelta(days=1)
_NEVER = datetime.max.replace(tzinfo=UTC)
# Tags and lengths of DER; UTCTime and GeneralizedTime as RFC 5280 has them.
_INTEGER, _VERSION, _SHORT = 0x02, 0xA0, 0x80
_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}


class _Element(NamedTuple):
    """One element of DER: its content, and the whole with tag and length."""

    tag: int
    content: bytes
    whole: bytes


@dataclass(frozen=True)
class RevocationList:
    """Whose list it is (a Name in DER), and when the next must be there; None: never."""

    issuer: bytes
    next_update: datetime | None


def refuse_revoked(context: ssl.SSLContext, path: Path) -> None:
    """Have a context refuse peers whose own certificate is on the lists, or on nobody's.

    Raises:
        TlsFilesUnusable: the file holds no list, a damaged one, or a certificate, which would be
            trusted.
    """
    before = context.cert_store_stats()
    fault = f"the CRL file {path} holds no list in PEM, or a damaged one"
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        raise TlsFilesUnusable(fault) from None
    after = context.cert_store_stats()
    if after["x509"] != before["x509"]:
        raise TlsFilesUnusable(f"the CRL file {path} holds certificates: leave the lists alone")
    if after["crl"] == before["crl"]:
        raise TlsFilesUnusable(fault)
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def read_lists(path: Path) -> list[RevocationList]:
    """The lists of a file that `refuse_revoked` has taken.

    Raises:
        TlsFilesUnusable: one cannot be understood.
    """
    try:
        encoded = [base64.b64decode(body) for body in _BLOCK.findall(path.read_bytes())]
        return [_list_of(each) for each in encoded]
    except (ValueError, IndexError):
        raise TlsFilesUnusable(f"the CRL file {path} holds a damaged list") from None


def lapsed_since(path: Path) -> datetime | None:
    """Since when a list has been too old to be believed; None where none is."""
    now = datetime.now(UTC)
    ends = [end for end in _ends(read_lists(path)).values() if end is not None and end < now]
    return min(ends, default=None)


def lapses_at(path: Path) -> datetime | None:
    """When the first of those lists lapses that are good now; None where none will.

    Raises:
        TlsFilesUnusable: as `read_lists`.
    """
    now = datetime.now(UTC)
    ends = [end for end in _ends(read_lists(path)).values() if end is not None and end >= now]
    return min(ends, default=None)


def revocation_concerns(path: Path, authorities: Sequence[bytes]) -> list[str]:
    """What an administrator should know; `authorities` are their certificates, in DER.

    Raises:
        TlsFilesUnusable: as `read_lists`.
    """
    ends, now = _ends(read_lists(path)), datetime.now(UTC)
    found = []
    if any(end is not None and end < now for end in ends.values()):
        found.append(f"{path} holds an expired list: its signer's peers are refused; fetch the new")
    elif any(end is not None and end < now + _SOON for end in ends.values()):
        found.append(f"{path} holds a list that expires within a day: fetch the new one")
    if any(_subject_of(authority) not in ends for authority in authorities):
        found.append(f"{path} has no list of one of the authorities: its peers are refused")
    return found


def _ends(lists: Sequence[RevocationList]) -> dict[bytes, datetime | None]:
    """Until when each issuer's latest list is good."""
    found: dict[bytes, datetime | None] = {}
    for each in sorted(lists, key=lambda known: known.next_update or _NEVER):
        found[each.issuer] = each.next_update
    return found


def _list_of(encoded: bytes) -> RevocationList:
    """TBSCertList (RFC 5280 5.1): version?, signature, issuer, thisUpdate, nextUpdate?, …"""
    fields = _content(encoded)
    if fields[0].tag == _INTEGER:
        del fields[0]
    _signature, issuer, _this, *after = fields
    is_ending = bool(after) and after[0].tag in _TIMES
    return RevocationList(issuer.whole, _time(after[0]) if is_ending else None)


def _subject_of(certificate: bytes) -> bytes:
    """TBSCertificate (RFC 5280 4.1): version?, serial, signature, issuer, validity, subject, …"""
    fields = _content(certificate)
    if fields[0].tag == _VERSION:
        del fields[0]
    return fields[4].whole


def _time(element: _Element) -> datetime:
    return datetime.strptime(element.content.decode(), _TIMES[element.tag]).replace(tzinfo=UTC)


def _content(signed: bytes) -> list[_Element]:
    """The fields of what is signed: the first part of the one SEQUENCE that there is."""
    (outer,) = _elements(signed)
    return _elements(_elements(outer.content)[0].content)


def _elements(encoded: bytes) -> list[_Element]:
    """What stands one after the other (X.690)."""
    found, rest = [], encoded
    while rest:
        size, start = rest[1], 2
        if size > _SHORT:
            start += size - _SHORT
            size = int.from_bytes(rest[2:start])
        if start + size > len(rest) or rest[1] == _SHORT:
            raise ValueError("not in DER")
        found.append(_Element(rest[0], rest[start : start + size], rest[: start + size]))
        rest = rest[start + size :]
    return found
