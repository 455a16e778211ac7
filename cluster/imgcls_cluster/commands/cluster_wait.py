"""``imgcls cluster wait``: what the scripts of ``imgcls cluster render`` do before they launch."""

import time

import click

from imgcls.errors import UserError


@click.command(short_help="Wait until a cluster has its nodes.")
@click.argument("nodes", type=click.IntRange(1))
@click.option("--address", metavar="HOST:PORT|auto", default="auto", show_default=True, help="Of the head.")
@click.option("--seconds", type=click.FloatRange(0), default=600, show_default=True, help="To wait at most.")
def wait(nodes: int, address: str, seconds: float) -> None:
    """Wait until NODES nodes with CPUs for workers are in a Ray cluster; exit code 1 if they do not come."""
    end = time.monotonic() + seconds
    while True:
        there, why = _look(address)
        if there >= nodes:
            return
        if time.monotonic() >= end:
            reason = f"; {why}" if why else ""
            click.echo(f"after {seconds:g} s there are {there} of {nodes} nodes for workers{reason}", err=True)
            raise SystemExit(1)
        time.sleep(1.0)


def _look(address: str) -> tuple[int, str]:
    """Return how many nodes have CPUs now, and why there can be none yet.

    Raises:
        UserError: the cluster does not let us in, and will not later.
    """
    from ray._raylet import GcsClient  # type: ignore[attr-defined]
    from ray.exceptions import AuthenticationError, RpcError

    from imgcls.on_ray.address import reachable

    try:
        found = reachable(address)
        infos = GcsClient(address=found).get_all_node_info(timeout=10)
    except AuthenticationError:
        raise UserError(
            f"--address {address}: the cluster wants another token; set RAY_AUTH_MODE=token, and "
            "RAY_AUTH_TOKEN_PATH to the file that holds it"
        ) from None
    except (UserError, RpcError) as error:
        return 0, str(error)
    alive = [node for node in infos.values() if node.state == node.ALIVE]
    return sum(node.resources_total.get("CPU", 0) > 0 for node in alive), ""
