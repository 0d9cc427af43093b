"""Recording: a model at work on any amount of data → the statistics of every node, under the figure's own ids."""
