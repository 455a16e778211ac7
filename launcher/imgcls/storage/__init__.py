"""Storage that is an address, such as ``s3://bucket/runs``: each host has a copy of a run, and the store the run.

Training and data know nothing of it: they work in the folder that is this host's copy. What is in the store is at
every moment a state from which the same command continues exactly. Imports neither torch nor ray.
"""
