"""`cotally demo`: an invented country asks its five departments three questions."""
