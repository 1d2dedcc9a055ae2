"""Storage commitment: requests of known peers, answered from what is really stored."""
