"""Modules drawn opened up beside the figure."""
