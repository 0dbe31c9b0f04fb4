"""What a department allows: its signed grants."""
