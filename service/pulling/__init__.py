"""Fetching a peer's past studies, and proving what of them is here."""
