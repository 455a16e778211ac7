"""A real S3 server on this machine (moto's), which can be away for a while and keeps what it has."""

import contextlib
import socket
from collections.abc import Callable, Iterator

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "bucket"
STORAGE = f"s3://{BUCKET}/runs"
SECRET = "n0t-t0-be-pr1nted"


class Server:
    """Serves from :meth:`start` to :meth:`stop`, again and again, at one address."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self._port}"
        self._server: ThreadedMotoServer | None = None

    def start(self) -> None:
        """Be there."""
        if self._server is not None:
            return
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        """Be away; nothing is lost."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def client(self) -> "boto3.client":
        """A client that is none of ours."""
        return boto3.client("s3", endpoint_url=self.address)

    def names(self, prefix: str) -> list[str]:
        """The names below a prefix, without it."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", [])]

    def read(self, name: str) -> bytes:
        """What is stored under a name."""
        return self.client().get_object(Bucket=BUCKET, Key=name)["Body"].read()

    def environment(self, cache: str) -> dict[str, str]:
        """What a user sets to use it.

        Args:
            cache: folder of this host's copies.
        """
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "IMGCLS_CACHE": cache,
            "no_proxy": "*",
        }

    def fill(self) -> None:
        """Make the bucket."""
        self.client().create_bucket(Bucket=BUCKET)

    def empty(self) -> None:
        """Remove the bucket with all that is in it."""
        client = self.client()
        for name in self.names(""):
            client.delete_object(Bucket=BUCKET, Key=name)
        client.delete_bucket(Bucket=BUCKET)


@contextlib.contextmanager
def serving(set_variable: Callable[[str, str], None], cache: str) -> Iterator[Server]:
    """Start a server with a bucket, for this process and those that it starts.

    Args:
        set_variable: sets one of the environment.
        cache: folder of this host's copies.
    """
    server = Server()
    for name, value in server.environment(cache).items():
        set_variable(name, value)
    server.start()
    try:
        server.fill()
        yield server
        server.start()
        server.empty()
    finally:
        server.stop()
