"""What the networks of this package have in common."""
CHANNELS = 8
