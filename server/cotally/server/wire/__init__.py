"""Messages to model values and back: the only place where both are known."""
