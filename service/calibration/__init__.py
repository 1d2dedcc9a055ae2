"""How far an encoder's distances can be believed, measured on the gallery's own patients."""
