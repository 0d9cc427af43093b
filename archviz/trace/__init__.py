"""The front ends: a module and its inputs → `Trace`.  See `archviz.trace.ladder.trace`, and `archviz.trace.read` for
targets."""
