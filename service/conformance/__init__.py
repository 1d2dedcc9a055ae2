"""The DICOM Conformance Statement (PS3.2 Annex N): facts read from code and settings, and its text.

Nothing here opens a connection, a database or a file.
"""
