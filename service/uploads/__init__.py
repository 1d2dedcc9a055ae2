"""Searching by what the gallery has no embedding of: uploads, regions and sets of examples."""
