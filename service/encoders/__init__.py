"""Encoders of the gallery: registered, filled, activated, kept for roll-back, retired."""
