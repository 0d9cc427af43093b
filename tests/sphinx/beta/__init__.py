"""A package of the sample project: a residual network, with its constants in a file of their own."""
