"""Texts as they are after something went wrong on their way."""

import string

from hypothesis import strategies as st

_CHARACTERS = st.sampled_from(string.ascii_letters + string.digits + "-_=+/. ") | st.characters(
    codec="utf-8"
)


def garbled(text: str) -> st.SearchStrategy[str]:
    """With a character changed, lost, added or moved, cut off, doubled, or another text."""
    places = st.integers(0, len(text) - 1)
    return st.one_of(
        st.builds(lambda n, c: text[:n] + c + text[n + 1 :], places, _CHARACTERS),
        st.builds(lambda n, c: text[:n] + c + text[n:], places, _CHARACTERS),
        st.builds(lambda n: text[:n] + text[n + 1 :], places),
        st.builds(lambda n: text[n:] + text[:n], places),
        st.builds(lambda n: text[:n], places),
        st.builds(lambda n: text + text[:n], places),
        st.sampled_from([text.swapcase(), text + "=", text + "==", text + "\n", text[::-1]]),
        st.text(max_size=60),
    ).filter(lambda found: found != text)
