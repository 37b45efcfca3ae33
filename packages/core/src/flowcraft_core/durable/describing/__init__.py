"""A run's inside for people: pure code computes it from the facts and hints that the client reads."""
