"""SQL as analysts write it, read into a draft question. sqlglot parses; only what is listed here passes."""
