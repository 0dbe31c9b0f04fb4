"""One holder of a key share: checks a round again by itself, then decrypts its part."""
