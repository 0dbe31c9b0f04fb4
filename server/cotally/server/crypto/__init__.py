"""Threshold Paillier: keys, encryption, proofs, sealed shares, signatures. Integers and bytes only."""
