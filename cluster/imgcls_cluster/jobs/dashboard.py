"""A look at a dashboard's address before Ray's client connects to it, which would wait long and say little."""

import http.client
import json
import os
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from imgcls.errors import UserError

_PATIENCE = 5.0  # seconds for an answer
_UNAUTHORIZED, _FORBIDDEN = 401, 403
_TOKEN = (
    "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to the file that holds the cluster's token (on its head "  # noqa: S105
    "~/.ray/auth_token, where nothing else was said)"
)
_EXAMPLE = "http://HOST:8265, as `ray start --head` prints it"
_CONTROL_STORE = 6379
# what Ray's client would take in the place of the address that it is given
_OVERRULING = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token that is sent to one host must not reach another."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


def answering(address: str | None) -> tuple[str, dict[str, str]]:
    """Return the URL of a dashboard that answers and lets us in, and the headers of a request to it.

    Args:
        address: ``http://HOST:PORT``; what the environment says of Ray's address does not count.

    Raises:
        UserError: it is none, nothing or something else answers there, or it does not take our token.
    """
    stray = [name for name in _OVERRULING if os.environ.pop(name, None) is not None]
    if not address:
        aside = f" ({' and '.join(stray)} of the environment is left aside)" if stray else ""
        raise UserError(
            f"--address is missing{aside}; give the dashboard's URL, {_EXAMPLE}, or set IMGCLS_ADDRESS"
        )
    url = _url(address)
    headers = _headers(url)
    request = urllib.request.Request(f"{url}/api/version", headers=headers)  # noqa: S310 (http and https alone)
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_PATIENCE) as response:
            about = json.loads(response.read(1 << 16))
    except urllib.error.HTTPError as error:
        raise _refusal(url, error.code) from None
    except (http.client.HTTPException, ValueError):
        about = None
    except OSError as error:
        raise _silence(url, error) from None
    if not isinstance(about, dict) or "ray_version" not in about:
        raise UserError(
            f"--address {url}: something answers there, but it is not Ray's dashboard; give {_EXAMPLE}"
        )
    return url, headers


def refused(url: str, status: int | None) -> UserError | None:
    """Return what is wrong with our token where that is what an HTTP status means."""
    if status not in (_UNAUTHORIZED, _FORBIDDEN):
        return None
    what = "wants a token" if status == _UNAUTHORIZED else "takes another token than ours"
    return UserError(f"--address {url}: the cluster {what}; {_TOKEN}")


def _url(address: str) -> str:
    try:
        parts = urlsplit(address.strip().rstrip("/"))
        port = parts.port
    except ValueError:
        raise UserError(f"--address {address}: is no URL; give {_EXAMPLE}") from None
    if parts.username is not None or parts.password is not None:
        raise UserError(f"--address of {parts.hostname}: leave name and password out of it; {_TOKEN}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"--address {address}: expected the dashboard's URL, {_EXAMPLE}")
    if port == _CONTROL_STORE:
        raise UserError(
            f"--address {address}: {port} is the port of Ray's control store, which `imgcls launch` joins; "
            f"jobs are submitted to the dashboard, {_EXAMPLE}"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _headers(url: str) -> dict[str, str]:
    """Return what says who we are."""
    from ray._private.authentication.http_token_authentication import get_auth_headers_if_auth_enabled
    from ray.exceptions import AuthenticationError

    try:
        found: dict[str, str] = get_auth_headers_if_auth_enabled({})
    except (AuthenticationError, RuntimeError):
        found = {}
    if not found and os.environ.get("RAY_AUTH_MODE") == "token":
        raise UserError(f"--address {url}: RAY_AUTH_MODE is token, and there is no token; {_TOKEN}")
    return found


def _refusal(url: str, status: int) -> UserError:
    other = (
        f"--address {url}: something answers there (HTTP {status}), but it is not Ray's dashboard; give {_EXAMPLE}"
    )
    return refused(url, status) or UserError(other)


def _silence(url: str, error: Exception) -> UserError:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        text = "no answer in time"
    else:
        text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return UserError(
        f"--address {url}: Ray's dashboard does not answer there ({text}); is Ray's head running, with "
        f"--include-dashboard=true, and --dashboard-host=0.0.0.0 where it is another machine? Give {_EXAMPLE}"
    )
