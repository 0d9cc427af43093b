"""Forms: how big a node is, and how it and its links are drawn.

Contract: a file ``archviz/forms/<name>.py`` holds

    sizes(graph, style) -> Mapping[NodeId, Size]        frames(graph, style) -> Mapping[NodeId, Frame]
    draw(graph, layout, style) -> tuple[Mark, ...]      legend(graph, style) -> list[(name, swatch marks at the origin)]

A form knows shapes and never colours: marks carry roles, and the style's sheet paints them.
May import ir, style, text, scene and the types of layouts.
"""
