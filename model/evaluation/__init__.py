"""How well an encoder finds slices of the query's label: figures, intervals, controls, plots."""
