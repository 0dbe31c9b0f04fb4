"""PostgreSQL: measures on the server, under a role that can only read."""
