"""Backends: Scene → the bytes of a file.

Contract: a file ``archviz/backends/<suffix>.py`` holds ``render(scene, **options) -> bytes``; the file name is the
suffix of what it writes.  May import scene, text and errors; optional programs are imported inside `render`.
"""
