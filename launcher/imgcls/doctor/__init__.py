"""What a run needs of machines, looked at before it starts: facts of each node, then what is wrong about them.

To read first: ``facts.py`` (what a node tells of itself), ``judge.py`` (what that means), ``quick.py`` (the short
form before a launch). Nodes of a cluster are asked by ``imgcls.on_ray.examine``.
"""
