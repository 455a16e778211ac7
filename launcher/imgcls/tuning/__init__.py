"""Hyperparameter search, without Ray: space, fidelity, the folder of a search."""
