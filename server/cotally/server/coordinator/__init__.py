"""The bulletin board: posts rounds, adds ciphertexts, keeps the audit log."""
