"""Whether files, rows and vectors of the gallery agree, and whether its index finds what is there."""
