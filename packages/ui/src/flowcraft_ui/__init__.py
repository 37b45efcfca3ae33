"""A page to look at runs."""
