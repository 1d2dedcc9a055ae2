"""What searches feel of a change of encoder: their times while an index is built beside them."""
