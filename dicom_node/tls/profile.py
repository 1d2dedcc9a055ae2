"""The TLS profile that both sides keep to (PS3.15 B.12: BCP 195, which is RFC 8996 and RFC 9325).

TLS 1.3 where the peer has it, else TLS 1.2 with ephemeral keys and authenticated encryption. There
is no setting that weakens it.
"""

import ssl

# Security level 2: no RSA key below 2048 bits, no elliptic curve below 224, no SHA-1 signature.
_CIPHERS_OF_TLS_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"


def acceptor_profile() -> ssl.SSLContext:
    """A context for the side that is called, without certificates yet."""
    context = _bounded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    # Nobody resumes: a DICOM association is long, and tickets sent to a peer that writes before
    # it reads are in its way.
    context.num_tickets = 0
    return context


def requestor_profile() -> ssl.SSLContext:
    """A context for the side that calls, without certificates yet."""
    return _bounded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def _bounded(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS_OF_TLS_1_2)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # What an administrator lists as trusted is trusted, be it an authority or a peer's own.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
