"""What came of a run: `Attribution` and `Recording`."""
