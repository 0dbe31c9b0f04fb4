"""A whole federation on one machine: made, started, watched and stopped."""
