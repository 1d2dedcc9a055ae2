"""Side-by-side measurements against other programs: receiving, embedding, searching.

`python -m benchmarks` runs them. Only for measuring: no part of the service imports this.
"""
