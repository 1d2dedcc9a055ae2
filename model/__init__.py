"""The encoder: what turns a decoded brain slice into an embedding, and what trains it."""
