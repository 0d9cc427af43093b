"""Looks for archviz: a style, a theme, a form, a pass, a layout and a backend."""
