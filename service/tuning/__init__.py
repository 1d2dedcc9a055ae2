"""What the database should be set to, and why: from the machine and from what the gallery holds."""
