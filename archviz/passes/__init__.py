"""Passes: Graph → Graph.

Contract: a file ``archviz/passes/<name>.py`` holds a function of its own name, ``<name>(graph, style, **options) ->
Graph``.  Its docstring says what it keeps.  Whatever it does, the members of the drawn nodes still partition the ids of
the trace, and parameters and FLOPs still sum to the same totals.
"""
