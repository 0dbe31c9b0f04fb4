"""The roles of a federation: node, coordinator, key holder, and what they stand on."""
