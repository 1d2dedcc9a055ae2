"""Why two slices are alike for an encoder, as heat over both; and pictures of it."""
