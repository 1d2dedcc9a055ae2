"""Speaks DICOM: receives and stores objects, reads their headers and decodes their pixels.

Knows neither the network that embeds slices nor the database; the service above hands it callbacks.
"""
