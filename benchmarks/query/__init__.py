"""Searching: latency of the service's search, beside NumPy comparing everything."""
