"""What a gallery's neighbours say about a slice: counted, weighed and measured, never a diagnosis."""
