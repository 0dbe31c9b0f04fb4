"""The transport: mutual TLS, identity, framing, refusals, logs and lifetime of a role's process."""
