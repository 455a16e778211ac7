"""Checks that only a GPU can make; skipped elsewhere, with the reason."""

import pytest
import torch


def pytest_collection_modifyitems(items):
    here = [item for item in items if "tests/gpu/" in str(item.path)]
    for item in here:
        item.add_marker(pytest.mark.gpu)
        if not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a GPU, and torch finds none here"))
