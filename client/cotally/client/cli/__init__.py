"""The `cotally` command line: one module per command, tables for people, JSON lines for scripts."""
