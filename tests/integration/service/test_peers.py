from dataclasses import replace

import pytest
from sqlalchemy import Engine

from service.errors import InvalidParameter, PeerUnknown
from service.peers import Peer, add_peer, find_peer, list_peers, peer_calling, remove_peer

PACS = Peer("pacs", "ARCHIVE", "10.1.2.3", 104)


def test_a_peer_is_added_changed_found_and_forgotten(engine: Engine) -> None:
    with engine.begin() as connection:
        add_peer(connection, PACS)
        add_peer(connection, replace(PACS, port=11112, networks=("10.1.0.0/16",)))
        add_peer(connection, Peer("ct", "CT1", "ct.hospital", 4242))
        assert [peer.name for peer in list_peers(connection)] == ["ct", "pacs"]
        found = find_peer(connection, "ARCHIVE")
        assert (found.name, found.port, found.networks) == ("pacs", 11112, ("10.1.0.0/16",))
        assert peer_calling(connection, "ARCHIVE") == found
        assert peer_calling(connection, "archive") is None
        remove_peer(connection, "pacs")
        with pytest.raises(PeerUnknown, match="pacs"):
            find_peer(connection, "pacs")
        with pytest.raises(PeerUnknown):
            remove_peer(connection, "pacs")


def test_two_peers_cannot_share_an_ae_title(engine: Engine) -> None:
    with engine.begin() as connection:
        add_peer(connection, PACS)
        with pytest.raises(InvalidParameter, match="pacs has the AE title ARCHIVE"):
            add_peer(connection, replace(PACS, name="other"))


def test_a_fingerprint_is_kept_in_one_spelling(engine: Engine) -> None:
    spelled = ":".join(["AB"] * 32)
    with engine.begin() as connection:
        add_peer(connection, replace(PACS, tls_certificate_sha256=spelled))
        assert find_peer(connection, "pacs").tls_certificate_sha256 == "ab" * 32


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": " "}, "name"),
        ({"ae_title": "SEVENTEEN-LETTERS"}, "AE title"),
        ({"ae_title": "BACK\\SLASH"}, "AE title"),
        ({"host": ""}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"networks": ("10.1.2.3/8",)}, "host bits"),
        ({"networks": ("everywhere",)}, "network"),
        ({"tls_certificate_sha256": "abc"}, "64 hexadecimal"),
    ],
)
def test_what_cannot_be_a_peer_is_refused(
    engine: Engine, wrong: dict[str, object], words: str
) -> None:
    with engine.begin() as connection:
        with pytest.raises(InvalidParameter, match=words):
            add_peer(connection, replace(PACS, **wrong))  # type: ignore[arg-type]
        assert list_peers(connection) == []


@pytest.mark.parametrize(
    ("networks", "address", "may"),
    [
        ((), "10.1.2.3", True),
        ((), "::ffff:10.1.2.3", True),
        ((), "10.1.2.4", False),
        (("10.1.0.0/16", "fd00::/8"), "10.1.255.1", True),
        (("10.1.0.0/16", "fd00::/8"), "fd12::1", True),
        (("10.1.0.0/16",), "10.2.0.1", False),
        (("10.1.0.0/16",), "nonsense", False),
    ],
)
def test_where_a_peer_may_come_from(networks: tuple[str, ...], address: str, may: bool) -> None:
    assert replace(PACS, networks=networks).may_come_from(address) is may


def test_a_peer_known_by_name_alone_comes_from_nowhere() -> None:
    named = replace(PACS, host="pacs.hospital")
    assert not named.may_come_from("10.1.2.3")
    assert not named.has_source
    assert replace(named, networks=("10.0.0.0/8",)).has_source
    assert PACS.has_source
