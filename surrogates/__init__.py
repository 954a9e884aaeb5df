"""Predictors with an uncertainty: crystal moduli from graphs, micrograph readings from a CNN, processes from GPs.

Reading order: ``datasets``, ``graphs``, ``pretrained``, ``crystal_gnn`` for crystals; ``micrograph_io``,
``micrograph_cnn``, ``micrograph_measure``, ``quality`` for images; ``process_gp``, ``composite`` for outcomes.
Importing this package imports nothing heavy.
"""
