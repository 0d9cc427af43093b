"""A package of the sample project: a plain network."""
