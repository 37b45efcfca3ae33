"""A run's inside for people: pure code computes it from a whole state, suspensions and hints; the client reads those."""
