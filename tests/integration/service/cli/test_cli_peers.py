from tests.support.commands import Shell

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


def test_wrong_usage_and_unknown_peers_have_their_codes(shell: Shell) -> None:
    wrong = shell.run("node", "peers", "add", *_PACS, "--network", "everywhere")
    assert (wrong.code, "everywhere" in wrong.errors) == (2, True)
    assert shell.run("node", "peers", "add", "pacs").code == 2
    for command in ("echo", "remove"):
        unknown = shell.run("node", "peers", command, "pacs")
        assert (unknown.code, "No peer pacs" in unknown.errors) == (1, True)
