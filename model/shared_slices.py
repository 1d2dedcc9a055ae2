"""Whether one slice is on two sides that must not know each other. It looks at identities only."""

from collections.abc import Iterable


def shared_slices(one: Iterable[str], other: Iterable[str]) -> frozenset[str]:
    """The SOP Instance UIDs that occur on both sides; an empty one is unknown and is none."""
    return (frozenset(one) & frozenset(other)) - {""}
