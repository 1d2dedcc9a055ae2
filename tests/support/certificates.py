"""Certificates as an administrator makes them: by the command line of openssl."""

import contextlib
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dicom_node.tls.files import TlsFiles
from dicom_node.tls.identity import fingerprint_of

_NEW_KEY = ("-nodes", "-newkey", "ec", "-pkeyopt")
_CURVE = "ec_paramgen_curve:{}"
_CA = """[ca]
default_ca=own
[own]
database={database}
new_certs_dir={folder}
default_md=sha256
rand_serial=yes
policy=any
[any]
organizationName=optional
commonName=supplied
"""
_LOCAL = "subjectAltName=DNS:localhost,IP:127.0.0.1\n"
_OF_BOTH = f"{_LOCAL}extendedKeyUsage=serverAuth,clientAuth\n"
FOR_SERVERS = f"{_LOCAL}extendedKeyUsage=serverAuth\n"
NOT_ASCII = "subjectAltName=DER:300a820868f6f66d2e646520\n"
"""A DNS name in Latin-1, which openssl takes."""


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, both in PEM."""

    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(ssl.PEM_cert_to_DER_cert(self.certificate.read_text()))


@dataclass(frozen=True)
class Authority(Identity):
    """Whoever signs certificates."""

    def sign(
        self,
        name: str,
        *,
        days: int = 365,
        begins: str | None = None,
        extensions: str = _OF_BOTH,
        curve: str = "P-256",
    ) -> Identity:
        """A certificate for servers and clients on this machine.

        `days` -1: it has expired. `begins`: when it will be valid, as openssl has times.
        """
        folder = self.certificate.parent
        made = Identity(folder / f"{name}.pem", folder / f"{name}.key")
        request, extended = folder / f"{name}.csr", folder / f"{name}.cnf"
        extended.write_text(extensions)
        new = ("req", "-new", *_NEW_KEY, _CURVE.format(curve), "-keyout", made.key)
        _openssl(*new, "-out", request, *_named(name))
        if begins is not None:
            lasting = ("-startdate", begins, "-days", days, "-extfile", extended)
            self._ca("-batch", "-notext", "-in", request, *lasting, "-out", made.certificate)
            return made
        signer = ("-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial")
        lasting = ("-days", days, "-extfile", extended)
        _openssl("x509", "-req", "-in", request, *signer, *lasting, "-out", made.certificate)
        return made

    def revoke(self, identity: Identity) -> None:
        """Have all further lists name it."""
        self._ca("-revoke", identity.certificate)

    def list_revoked(self, to: Path, *, until: str = "20990101000000Z") -> Path:
        """Write the list of what is revoked, in PEM; `until` as openssl has times."""
        times = ("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", until)
        self._ca("-gencrl", *times, "-out", to)
        return to

    def _ca(self, *arguments: object) -> None:
        database = self.certificate.with_suffix(".index")
        database.touch()
        configuration = self.certificate.with_suffix(".cnf")
        configuration.write_text(_CA.format(database=database, folder=database.parent))
        named = ("-config", configuration, "-cert", self.certificate, "-keyfile", self.key)
        _openssl("ca", *named, *arguments)


def make_authority(folder: Path, name: str) -> Authority:
    """A new authority whose files, and those it signs, are in `folder`."""
    folder.mkdir(parents=True)
    made = Authority(folder / f"{name}.pem", folder / f"{name}.key")
    out = ("-keyout", made.key, "-out", made.certificate, "-days", 365)
    _openssl("req", "-x509", *_NEW_KEY, _CURVE.format("P-256"), *out, *_named(name))
    return made


@dataclass(frozen=True)
class Certificates:
    """Those of one hospital, and a stranger's that another authority has signed."""

    authority: Authority
    node: Identity
    peer: Identity
    stranger: Identity
    foreign_authority: Authority

    @property
    def files(self) -> TlsFiles:
        """What our node is configured with."""
        return TlsFiles(self.node.certificate, self.node.key, self.authority.certificate)


def make_certificates(folder: Path) -> Certificates:
    """All that most tests need."""
    ours = make_authority(folder / "ours", "hospital-ca")
    foreign = make_authority(folder / "foreign", "foreign-ca")
    return Certificates(ours, ours.sign("node"), ours.sign("peer"), foreign.sign("peer"), foreign)


def client_context(
    certificates: Certificates,
    shown: Identity | None,
    version: ssl.TLSVersion | None = None,
) -> ssl.SSLContext:
    """A peer that trusts our authority, shows a certificate or none, speaks one version or any."""
    context = ssl.create_default_context(cafile=certificates.authority.certificate)
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def client_hello(certificates: Certificates, version: ssl.TLSVersion | None = None) -> bytes:
    """The first bytes of a good peer's handshake."""
    leaving = ssl.MemoryBIO()
    context = client_context(certificates, certificates.peer, version)
    tls = context.wrap_bio(ssl.MemoryBIO(), leaving, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return leaving.read()


def _named(name: str) -> tuple[str, str]:
    return "-subj", f"/O=Test/CN={name}"


def _openssl(*arguments: object) -> None:
    command = ["openssl", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
