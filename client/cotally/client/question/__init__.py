"""What SQL and the fluent interface share: a draft, and its resolution against the catalog."""
