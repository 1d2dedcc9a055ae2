"""Whether files, rows and vectors of a gallery agree, and its index finds what is there."""
