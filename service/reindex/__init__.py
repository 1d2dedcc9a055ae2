"""A reindex: a gallery embedded anew by another encoder while the one it has goes on answering."""
