"""Training: what turns labelled, prepared slices into a checkpoint."""
