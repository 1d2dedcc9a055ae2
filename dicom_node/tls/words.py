"""Turns OpenSSL's errors into sentences that an administrator can act on.

Nothing that a peer said is in them.
"""

import ssl

_EXPIRED, _NOT_YET_VALID = 10, 9
# Those of X509_verify_cert (OpenSSL's x509_vfy.h) that are a list's fault, not the peer's.
_OF_LISTS = {
    3: "our CRL file has no list of whoever signed it",
    12: "the list of revoked certificates (CRL) of whoever signed it has expired: fetch the new",
}
_FAULTS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": (
        "the peer showed no certificate, and one is required: give it a certificate and key"
    ),
    "UNSUPPORTED_PROTOCOL": "the peer offers no TLS version from 1.2 on",
    "NO_SHARED_CIPHER": "the peer offers no cipher suite of the BCP 195 profile",
    "HTTP_REQUEST": "the peer speaks HTTP, not TLS",
    "WRONG_VERSION_NUMBER": "the peer does not speak TLS",
    "UNEXPECTED_EOF_WHILE_READING": "the peer closed the connection during the TLS handshake",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the peer demands a certificate of ours",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the peer takes no TLS version from 1.2 on",
}
_ALERT = ("TLSV1_ALERT_", "TLSV13_ALERT_", "SSLV3_ALERT_")
_ABOUT_OURS = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")


def fault_of(error: ssl.SSLError) -> str:
    """What went wrong with a peer."""
    if isinstance(error, ssl.SSLCertVerificationError):
        told = _OF_LISTS.get(error.verify_code, error.verify_message)
        return f"the peer's certificate is refused: {told}"
    reason = error.reason or ""
    if reason in _FAULTS:
        return _FAULTS[reason]
    alert = next((start for start in _ALERT if reason.startswith(start)), None)
    if alert is None:
        return f"TLS failed ({_plain(reason or type(error).__name__)})"
    said = _plain(reason.removeprefix(alert))
    if any(part in reason for part in _ABOUT_OURS):
        return f"the peer refuses our certificate ({said})"
    return f"the peer ended TLS ({said})"


def validity_fault(error: ssl.SSLCertVerificationError) -> str:
    """What is wrong with a certificate of our own that nobody would take."""
    if error.verify_code == _EXPIRED:
        return "has expired"
    if error.verify_code == _NOT_YET_VALID:
        return "is not valid yet"
    return f"would be refused: {error.verify_message}"


def _plain(reason: str) -> str:
    return reason.replace("_", " ").lower()
