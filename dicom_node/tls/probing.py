"""Finds out why a peer could not be called over TLS, by a handshake of its own.

It sends no DICOM, and trusts nobody whom the association would not have trusted.
"""

import socket
import ssl

from dicom_node.tls.contexts import PeerTls
from dicom_node.tls.words import fault_of

_PLAIN = "perhaps this port takes plain DICOM alone"
_CLOSED = f"it ends the connection where TLS should begin; {_PLAIN}"
# Those of X509_verify_cert (OpenSSL's x509_vfy.h) for a signer whom nobody of ours knows.
_UNKNOWN_SIGNERS = frozenset({2, 18, 19, 20, 21})
_WRONG_NAMES = frozenset({62, 64})
_BROKEN_OFF = frozenset({"UNEXPECTED_EOF_WHILE_READING", ""})


def handshake_fault(host: str, port: int, tls: PeerTls, wait_s: float = 3.0) -> str | None:
    """What keeps TLS from coming about with a peer whose port takes connections, if anything does.

    A peer of TLS 1.3 refuses our certificate only after our side of the handshake is done: what it
    says within `wait_s` counts, too.
    """
    try:
        with (
            socket.create_connection((host, port), wait_s) as plain,
            tls.context.wrap_socket(plain, server_hostname=tls.name) as secured,
        ):
            return _refusal(secured)
    except ssl.SSLCertVerificationError as error:
        return _advice(error)
    except ssl.SSLError as error:
        return _CLOSED if (error.reason or "") in _BROKEN_OFF else fault_of(error)
    except TimeoutError:
        return f"no answer to the TLS handshake (time-out); {_PLAIN}"
    except OSError:
        return _CLOSED


def _refusal(secured: ssl.SSLSocket) -> str | None:
    try:
        secured.recv(1)
    except TimeoutError:
        return None
    except ssl.SSLError as error:
        return fault_of(error)
    except OSError:
        return "it ends the connection after the TLS handshake; perhaps it refuses our certificate"
    return None


def _advice(error: ssl.SSLCertVerificationError) -> str:
    fault = fault_of(error)
    if error.verify_code in _UNKNOWN_SIGNERS:
        return f"{fault}; whoever signed it is not in our CA file"
    if error.verify_code in _WRONG_NAMES:
        return f"{fault.rstrip('.')}; call it by that name, or bind the peer to its certificate"
    return fault
