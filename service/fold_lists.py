"""Folds as people write them: `1,2,3`, or `none`."""

from service.errors import InvalidParameter


def read_folds(text: str | None) -> tuple[int, ...] | None:
    """The folds in `text`, each once and in order; `none` is no fold, None is nothing said.

    Raises:
        InvalidParameter: it is no such list.
    """
    if text is None:
        return None
    if text.strip().lower() == "none":
        return ()
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise InvalidParameter(f"folds are numbers as in 1,2,3, or none; not {text!r}") from None
