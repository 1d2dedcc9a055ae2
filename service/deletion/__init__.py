"""Instances that are to be gone: by command, or because their PACS rejects them."""
