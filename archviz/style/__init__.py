"""YAML → `Style`: styles, themes, project files, what is said of single layers, what forms leave to choose."""
