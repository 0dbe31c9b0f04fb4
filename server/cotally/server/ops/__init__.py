"""What operators run beside the roles: specs, the ceremony, authorities, sandboxes, check-ups."""
