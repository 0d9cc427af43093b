"""``archviz serve``: the figure of a model in the browser, drawn anew whenever one of its files is saved.

In: the answers of `archviz.apps.request.arguments.serve`.  Out: a page on 127.0.0.1, and a line on stderr for each
time it is drawn.  `session` holds all of it together; the model runs in processes of their own (`worker`, `redraw`).
"""
