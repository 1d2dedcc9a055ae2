"""The REST API: header facts, neighbours, embeddings, previews and health. No torch here."""
