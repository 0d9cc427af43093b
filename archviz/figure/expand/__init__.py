"""Modules that open in place, on paper and in the page."""
