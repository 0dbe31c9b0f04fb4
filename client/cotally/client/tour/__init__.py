"""A tour of a federation whose true answers are known: what `cotally demo` shows."""
