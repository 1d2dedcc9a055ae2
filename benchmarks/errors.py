"""Why a benchmark could not be measured."""


class BenchmarkError(Exception):
    """A measurement failed; the message says which part, and where its log is."""


class PeerMissing(BenchmarkError):
    """A program to compare with is not installed; the comparison is left out."""
