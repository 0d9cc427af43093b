"""What changes where an input is disturbed, computed only where it can change."""
