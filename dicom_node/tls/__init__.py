"""DICOM over TLS, for both sides of an association: contexts, certificates, and what went wrong.

It opens no connection but to say why one failed, and knows nothing of PDUs.
"""
