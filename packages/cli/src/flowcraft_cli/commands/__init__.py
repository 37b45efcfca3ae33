"""The commands, a module for each or a few of a kind; ``register`` adds them to the whole."""
