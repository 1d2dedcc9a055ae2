"""What may be said of a peer: its AE title and address, fit for a log line or a database."""

MAX_AE_TITLE_LENGTH = 16


def clean_ae_title(title: str | bytes | None) -> str:
    """An AE title as a peer sent it, cut to 16 printable ASCII characters; "unknown" when empty."""
    text = title.decode("latin-1") if isinstance(title, bytes) else title or ""
    printable = "".join(
        character if character.isascii() and character.isprintable() else "?"
        for character in text.strip(" \0")[:MAX_AE_TITLE_LENGTH]
    )
    return printable.strip() or "unknown"
