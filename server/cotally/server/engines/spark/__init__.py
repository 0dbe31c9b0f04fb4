"""Spark: measures where a department has outgrown one machine; inside the node, or by Connect."""
