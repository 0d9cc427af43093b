"""``archviz serve``: the figure of a model in the browser, drawn anew whenever one of its files is saved.

In: the answers of `archviz.apps.request.arguments.served`.  Out: a page on 127.0.0.1, and a line on stderr for each
time it is drawn.

    watch    which files have changed, once they have settled
    redraw   draws once, in a process of its own, and answers with files in a folder
    answer   what it answers, and what is said of a process that did not
    worker   such processes: one that draws, and one that has loaded torch and waits
    live     the page a backend made, with the script that keeps it up to date
    web      what browsers get: the page, and events that say how things stand
    session  all of it together
"""
