"""What neighbours say about a slice: counted, weighed and measured, never a diagnosis."""
