"""The audit log: an append-only Merkle log, its checkpoints, and those who follow it."""
