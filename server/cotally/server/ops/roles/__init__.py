"""The roles' commands, one module each so that starting one role loads no other."""
