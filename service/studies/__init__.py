"""Studies and series similar to one of the gallery, by late interaction of their slices."""
