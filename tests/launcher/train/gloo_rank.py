"""One rank of test_world.py: rank, size, port and a file for what it found."""

import json
import sys

import torch

from imgcls.train.world import World, join_group, leave_group

rank, size, port = map(int, sys.argv[1:4])
join_group(rank, size, f"tcp://127.0.0.1:{port}", torch.device("cpu"))
events = []
world = World(rank, size, rank, emit=events.append)
shared = [torch.full((3,), float(rank)), torch.tensor(100 + rank), torch.arange(4).reshape(2, 2) * (rank + 1)]
world.share(shared)
tensor = torch.tensor([rank + 1.0, 10.0**rank], dtype=torch.float64)
summed = world.sum(tensor)
world.tell("hello", rank=rank)
world.wait()
found = {
    "sum": summed.tolist(),
    "in place": summed is tensor,
    "counts": world.sum(torch.tensor([2**40 + rank])).tolist(),
    "share": [part.tolist() for part in shared],
    "from_leader": [world.from_leader(-1 if rank == 0 else 7), world.from_leader(2**40 + rank)],
    "leads": world.leads,
    "told": [event["kind"] for event in events],
}
leave_group()
leave_group()  # a second time does nothing
with open(sys.argv[4], "w") as file:
    json.dump(found, file)
