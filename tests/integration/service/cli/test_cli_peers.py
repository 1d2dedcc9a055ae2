"""`precuneus node peers …` as it is typed."""

from pathlib import Path

from tests.support.certificates import make_certificates
from tests.support.commands import Shell
from tests.support.service import AE_TITLE
from tests.support.tls_peers import secure_storescp

_PACS = ("pacs", "--ae-title", "ARCHIVE", "--host", "127.0.0.1", "--port", "1")


def test_peers_by_commands(shell: Shell) -> None:
    added = shell.run("node", "peers", "add", *_PACS, "--network", "10.1.0.0/16", "--json")
    assert added.code == 0, added.errors
    assert added.json()["networks"] == ["10.1.0.0/16"]
    (listed,) = shell.run("node", "peers", "list", "--json").json()
    assert (listed["name"], listed["ae_title"], listed["port"]) == ("pacs", "ARCHIVE", 1)
    table = shell.run("node", "peers", "list").output
    assert "ARCHIVE" in table
    assert "10.1.0.0/16" in table
    asked = shell.run("node", "peers", "echo", "pacs", "--json")
    assert asked.code == 1
    assert asked.json()["answers"] is False
    assert "nothing listens" in asked.json()["reason"]
    assert shell.run("node", "peers", "remove", "pacs").code == 0
    assert shell.run("node", "peers", "list", "--json").json() == []


def test_peers_over_tls_by_commands(shell: Shell, tmp_path: Path) -> None:
    made = make_certificates(tmp_path / "certificates")
    trusted = made.authority.certificate
    settings = {
        "PRECUNEUS_DICOM__TLS__CERTIFICATE": str(made.node.certificate),
        "PRECUNEUS_DICOM__TLS__KEY": str(made.node.key),
        "PRECUNEUS_DICOM__TLS__CA": str(trusted),
    }
    with secure_storescp(tmp_path / "peer", made.peer, trusted) as port:
        place = ("--ae-title", AE_TITLE, "--host", "127.0.0.1", "--port", port, "--tls")
        add = ("node", "peers", "add", "pacs", *place)
        added = shell.run(*add, "--certificate-sha256", made.peer.fingerprint, "--json")
        assert (added.json()["tls"], added.json()["tls_certificate_sha256"]) == (
            True,
            made.peer.fingerprint,
        )
        assert "called over TLS, certificate" in shell.run("node", "peers", "list").output
        asked = shell.run("node", "peers", "echo", "pacs", **settings)
        assert (asked.code, asked.output) == (0, "pacs answers.\n"), asked.errors
        without = shell.run("node", "peers", "echo", "pacs", "--json")
        assert without.code == 1
        assert "PRECUNEUS_DICOM__TLS__CERTIFICATE" in without.json()["reason"]
        shell.run(*add, "--certificate-sha256", made.node.fingerprint)
        refused = shell.run("node", "peers", "echo", "pacs", "--json", **settings)
        assert (refused.code, "bound to" in refused.json()["reason"]) == (1, True)
        once = shell.run("node", "echo", "--host", "127.0.0.1", "--port", port, "--tls", **settings)
        assert once.code == 0, once.output


def test_wrong_usage_and_unknown_peers_have_their_codes(shell: Shell) -> None:
    wrong = shell.run("node", "peers", "add", *_PACS, "--network", "everywhere")
    assert (wrong.code, "everywhere" in wrong.errors) == (2, True)
    assert shell.run("node", "peers", "add", "pacs").code == 2
    for command in ("echo", "remove"):
        unknown = shell.run("node", "peers", command, "pacs")
        assert (unknown.code, "No peer pacs" in unknown.errors) == (1, True)
