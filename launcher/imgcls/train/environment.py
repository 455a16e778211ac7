"""What libraries read once, when they are loaded: call before torch is imported. Imports nothing."""

import os

_VARIABLES = {
    # needed by cuBLAS for repeatable sums
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    # OpenMP's threads otherwise spin for milliseconds at each barrier; beside another busy process that made
    # LeNet's training eight times slower, while this costs at most 5 % on an idle machine
    "GOMP_SPINCOUNT": "10000",
}


def prepare_environment() -> None:
    """Set what the user has not set."""
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
