"""Benchmarks: the same models, data and machine under kgraph and under the frameworks people use today."""
