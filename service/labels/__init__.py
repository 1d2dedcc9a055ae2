"""Labels: what somebody said that a slice or a study shows, with code, provenance and history.

Nothing here decides what an image shows, and nothing said is ever overwritten or deleted.
"""
