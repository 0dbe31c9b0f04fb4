"""A department's ledger: what it has promised to spend, durably, before it opens its data."""
