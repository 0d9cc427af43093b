"""Forms: how big a node is, and how it and its links are drawn.

Contract: a file ``archviz/drawing/forms/<name>.py`` holds::

    sizes(graph, style) -> Mapping[NodeId, Size]      # the room each node takes
    frames(graph, style) -> Mapping[NodeId, Frame]    # which modules have one
    draw(graph, layout, style) -> tuple[Mark, ...]    # as the layout places them
    legend(graph, style) -> list[(name, marks)]       # swatches at the origin

and may hold::

    WEIGHTS: int                            # largest layer whose values it wants
    OPTIONS: Mapping[str, Option]           # what a style may choose for it
    variants(style) -> tuple[Style, ...]    # in several sizes, the largest first
    ALIKE = True                            # see below
    OPENS = True                            # its things can open in place, as its lines are `Link`s
    NESTS = True                            # and modules, as it draws a frame around each

Where a form says ``ALIKE = True``, one of many like modules is not opened to stand for all.
A form knows shapes and never colours: marks carry roles, and the style's sheet paints them.
"""
