"""The messages of a round: how each is made and what every receiver checks. No socket, no clock."""
