"""The written caption of a figure."""
