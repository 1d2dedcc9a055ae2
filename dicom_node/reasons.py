"""Makes a library's error message fit to show: short, on one line, and without values."""

import re

MAX_REASON_LENGTH = 200
# Text in quotes, and not between the apostrophes of "doesn't" and "dataset's".
_QUOTED = re.compile(r"""(?:\bb|(?<!\w))(['"]).*?\1(?!\w)""")


def scrubbed(error: Exception) -> str:
    """What `error` says, without anything in quotes, which may be a value of a dataset.

    The error's type where nothing is left to say.
    """
    text = _QUOTED.sub("...", " ".join(str(error).split()))
    plain = "".join(character for character in text if character.isprintable())
    return plain[:MAX_REASON_LENGTH] or type(error).__name__
