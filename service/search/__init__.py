"""Nearest neighbours by Euclidean distance, found inside PostgreSQL; no vector crosses the wire."""
