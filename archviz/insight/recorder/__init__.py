"""Recording: a model at work on any amount of data → the statistics of every node, under the figure's own ids.

``statistics``  what is made of a value: a table, one class for each
``shipping``    small results on their way from the device to the host
``reducer``     watches a model run, reduces what each node gives and merges it with what it gave before
``feeding``     batches, one after the other: numbered, sharded among processes, cut to what fits
``run``         ``archviz.record``: the whole of it
``nonfinite``   the first node that gives NaN or infinity
"""
