"""Search by binary codes of the embeddings: an index many times smaller, exact order at the end."""
