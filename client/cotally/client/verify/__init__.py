"""Offline verification of a release: everything is recomputed from the bundle and one pinned fingerprint."""
