"""A small kgraph plug-in, as a stranger would write it."""
