"""A role's configuration file: read, checked, and named key by key when something is wrong."""
