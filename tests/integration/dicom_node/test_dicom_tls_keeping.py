"""What time alone changes: lists that lapse, and certificates that begin, while the node runs."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicom_node.tls.files import TlsFiles
from dicom_node.tls.keeping import ContextKeeper, TlsAcceptance
from tests.support.certificates import Certificates, Identity, make_certificates
from tests.support.waiting import eventually

Keep = Callable[[TlsFiles], ContextKeeper]


@pytest.fixture
def keep() -> Iterator[Keep]:
    with ExitStack() as stack:

        def begin(files: TlsFiles) -> ContextKeeper:
            keeper = ContextKeeper(TlsAcceptance(files, 0, check_s=0.05, retry_s=0.1))
            keeper.start()
            stack.callback(keeper.stop)
            return keeper

        yield begin


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path / "certificates")


def soon() -> str:
    return f"{datetime.now(UTC) + timedelta(seconds=5):%Y%m%d%H%M%SZ}"


def test_a_list_that_lapses_ends_what_could_be_resumed(
    keep: Keep, made: Certificates, tmp_path: Path
) -> None:
    """A new context has other keys: a resumed session of TLS 1.2 would not be judged again."""
    crl = made.authority.list_revoked(tmp_path / "crl.pem", until=soon())
    keeper = keep(replace(made.files, crl=crl))
    before = keeper.context
    eventually(lambda: keeper.context is not before, "the sessions are ended")


def install(made: Certificates, folder: Path, identity: Identity) -> TlsFiles:
    both = folder / "both.pem"
    both.write_text(identity.certificate.read_text() + identity.key.read_text())
    return TlsFiles(both, ca=made.authority.certificate)


def test_a_certificate_that_was_not_valid_yet_is_used_when_it_is(
    keep: Keep, made: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = keep(install(made, tmp_path, made.node))
    before: ssl.SSLContext = keeper.context
    install(made, tmp_path, made.authority.sign("coming", begins=soon()))
    eventually(lambda: keeper.context is not before, "it is used")
    assert caplog.text.count("is not valid yet; the old ones stay") == 1
