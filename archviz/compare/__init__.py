"""Two models → what differs between them, as values and as one figure."""
