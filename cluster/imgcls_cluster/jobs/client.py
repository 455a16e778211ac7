"""What is asked of a cluster's jobs, with each failure in words."""

import difflib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from imgcls.errors import UserError
from imgcls_cluster.jobs.dashboard import answering, refused
from imgcls_cluster.jobs.job import Job, free_name

_TIMEOUT = (5.0, 120.0)  # seconds for a connection, and without a byte
_HEARTBEAT = 20.0  # seconds after which a silent connection is asked whether it is there
_NO_AGENT = "No available agent"
_AGENT_PATIENCE = 60.0  # seconds: a head that has just started has none yet
_MISSING = 404
HELPER = "fetch-"  # begins the names of jobs that are no launches


class Unreachable(UserError):
    """The cluster does not answer now; it may again."""


class UnknownJob(UserError):
    """The cluster has no such job."""


class Failed(UserError):
    """The cluster answered that it could not.

    Attributes:
        text: of the answer.
        status: of HTTP; None: the request was not even sent.
    """

    def __init__(self, url: str, text: str) -> None:
        lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
        self.text = text
        self.last = lines[-1] if lines else "no reason given"
        status = text.partition("status code ")[2].partition(":")[0]
        self.status = int(status) if status.isdigit() else None
        super().__init__(f"{url}: {self.last}")


class Jobs:
    """The jobs of a cluster.

    Args:
        address: URL of the dashboard.

    Raises:
        UserError: it does not answer, or does not let us in.
    """

    def __init__(self, address: str | None) -> None:
        if find_spec("aiohttp") is None:
            raise UserError("Ray's client of jobs is not installed; pip install 'imgcls[cluster]'")
        self.url, self._headers = answering(address)
        with self._explained():
            self._client = _client(self.url)

    def submit(
        self, run: str, entrypoint: str, runtime_env: Mapping[str, Any], metadata: Mapping[str, str]
    ) -> str:
        """Submit a job and return its name, made from the run's.

        Raises:
            UserError: the cluster does not take it.
        """
        end = time.monotonic() + _AGENT_PATIENCE
        while True:
            name = free_name(run, self._names())
            try:
                with self._explained():
                    given = {"runtime_env": dict(runtime_env), "metadata": dict(metadata)}
                    return str(self._client.submit_job(entrypoint=entrypoint, submission_id=name, **given))
            except Failed as failure:
                if "already exists" in failure.text:
                    continue  # another submitted at the same moment
                if _NO_AGENT not in failure.text or time.monotonic() > end:
                    raise UserError(f"--address {self.url}: the job was not taken: {failure.last}") from None
                time.sleep(1)

    def all(self) -> tuple[list[Job], int]:
        """Return our jobs, the newest first, and how many others were submitted."""
        with self._explained():
            # what connects without having been submitted is listed too
            details = [each for each in self._client.list_jobs() if each.submission_id]
        found = {each.submission_id: job for each in details if (job := Job.of(each)) is not None}
        others = [
            x for x in (each.submission_id for each in details) if x not in found and not x.startswith(HELPER)
        ]
        return sorted(found.values(), key=lambda job: job.started or 0, reverse=True), len(others)

    def _names(self) -> list[str]:
        with self._explained():
            return [str(each.submission_id) for each in self._client.list_jobs()]

    def job(self, name: str) -> Job:
        """Return a job of ours.

        Raises:
            UnknownJob: there is none of that name.
        """
        try:
            with self._explained():
                found = Job.of(self._client.get_job_info(name))
        except Failed as failure:
            if failure.status != _MISSING:
                raise
            raise UnknownJob(f"{self.url} has no job '{name}'{self._hint(name)}") from None
        if found is None:
            raise UserError(f"{name}: was not submitted by imgcls; see `ray job status {name}`")
        return found

    def _hint(self, name: str) -> str:
        names = [job.name for job in self.all()[0]]
        near = difflib.get_close_matches(name, names, n=1)
        known = f"; there are: {', '.join(names[:10])}" if names else "; no job of imgcls is there"
        return f"; did you mean '{near[0]}'?" if near else known

    def state(self, name: str) -> str:
        """Return the state of any job."""
        with self._explained():
            return str(self._client.get_job_status(name).value)

    def logs(self, name: str) -> str:
        """Return what a job has printed."""
        with self._explained():
            return str(self._client.get_job_logs(name))

    def stop(self, name: str) -> None:
        """Send the launch of a job SIGTERM."""
        with self._explained():
            self._client.stop_job(name)

    def forget(self, name: str) -> None:
        """Take a job that has ended off the list."""
        with self._explained():
            self._client.delete_job(name)

    async def tail(self, name: str, take: Callable[[str], None]) -> None:
        """Hand on what a job prints, from the beginning, in pieces that end anywhere, until there is no more.

        Args:
            name: of the job.
            take: is given each piece; what it raises ends this.

        Raises:
            Unreachable: the connection is lost.
        """
        import aiohttp

        url = f"{self.url}/api/jobs/{name}/logs/tail"
        async with aiohttp.ClientSession(headers=self._headers, trust_env=True) as session:
            with _connected():
                socket = await session.ws_connect(url, heartbeat=_HEARTBEAT)
            async with socket:
                while True:
                    with _connected():
                        message = await socket.receive()
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        return
                    take(message.data)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        import requests
        from ray.exceptions import AuthenticationError

        try:
            yield
        except AuthenticationError as error:
            status = 401 if "required" in str(error) else 403
            raise refused(self.url, status) or AssertionError(status) from None
        except (requests.exceptions.RequestException, ConnectionError) as error:
            raise Unreachable(f"{self.url} does not answer any more: {type(error).__name__}") from None
        except (RuntimeError, ValueError) as error:
            raise Failed(self.url, str(error)) from None


@contextmanager
def _connected() -> Iterator[None]:
    import aiohttp

    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        raise Unreachable(str(error) or type(error).__name__) from None


def _client(url: str) -> Any:
    import logging

    from ray.job_submission import JobSubmissionClient

    for module in (
        "dashboard.modules.dashboard_sdk",
        "dashboard.modules.job.sdk",
        "_private.runtime_env.packaging",
    ):
        logging.getLogger(f"ray.{module}").setLevel(logging.ERROR)  # some have levels of their own

    class Client(JobSubmissionClient):
        """Ray's client, which waits for ever where a connection is lost."""

        def _do_request(self, method: str, endpoint: str, **given: Any) -> Any:
            return super()._do_request(method, endpoint, **{"timeout": _TIMEOUT, **given})

    return Client(url)
