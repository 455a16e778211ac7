"""What must not travel: files that hold secrets by their name, and whatever holds the cluster's token."""

import os
from functools import cache
from pathlib import Path

_NAMES = frozenset({".netrc", ".pypirc", ".git-credentials", ".htpasswd", "credentials", "kubeconfig"})
_FOLDERS = frozenset({".git", ".ssh", ".aws", ".gnupg", ".kube", ".docker", ".ray", ".azure", ".config"})
_BEGINNINGS = (".env", "id_rsa", "id_ed25519", "id_ecdsa", "id_dsa")
_ENDINGS = frozenset({".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".token", ".env"})
_SHORTEST = 8  # characters of a token that can be told from a word
_DEFAULT = "~/.ray/auth_token"


def is_secret(path: Path) -> bool:
    """Return whether a file or folder is a secret by its name."""
    name = path.name.lower()
    if name in _NAMES or name in _FOLDERS or path.suffix.lower() in _ENDINGS:
        return True
    return name.startswith(_BEGINNINGS) and not name.endswith(".pub")


def holds_token(path: Path) -> bool:
    """Return whether a file holds the token of a cluster that this command would use."""
    token = _token()
    return token is not None and token in path.read_bytes()


@cache
def _token() -> bytes | None:
    text = os.environ.get("RAY_AUTH_TOKEN")
    if text is None:
        try:
            text = Path(os.environ.get("RAY_AUTH_TOKEN_PATH", _DEFAULT)).expanduser().read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None
    text = text.strip()
    return text.encode() if len(text) >= _SHORTEST else None
