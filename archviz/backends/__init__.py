"""Backends: Scene → the bytes of a file.

Contract: a file ``archviz/backends/<suffix>.py`` holds ``render(scene, **options) -> bytes``; the file name is the
suffix of what it writes.  A backend that needs a program for some engine holds ``ready(engine)``, which raises
without it.  May import scene, text and errors; optional programs are imported inside `render`.
"""
