"""The meaning of a graph: pure code, from a blueprint and facts to what happens next."""
