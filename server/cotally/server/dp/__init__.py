"""Noise and its price: exact scales, zCDP accounting, and the one door to OpenDP."""
