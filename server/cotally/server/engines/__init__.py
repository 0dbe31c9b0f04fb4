"""Reads records, each by the engine that already holds them; integers are all that comes out."""
