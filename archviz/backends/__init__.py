"""Backends: a figure → the bytes of a file.

Contract: a file ``archviz/backends/<suffix>.py``, whose name is the suffix of what it writes, holds one of these, or
both::

    render(scene, **options) -> bytes       # what is drawn, be it a figure or a picture
    compose(figure, **options) -> bytes     # of a `Figure`: also its network, `figure.drawn` and `figure.graph`

A figure is composed where it can be; pictures and overlays have only a scene.  A backend that needs a program for some
engine holds ``ready(engine)``, which raises without it.
"""
