"""Torch code: Muon and AdamW as one optimizer."""

from typing import Any

import torch
from torch import nn
from torch.optim._muon import DEFAULT_A, DEFAULT_B, DEFAULT_C, EPS, muon

from imgcls_optim.optimizers._groups import undecayed

_SCALES = {"adamw": "match_rms_adamw", "original": "original"}


def hidden_weights(model: nn.Module) -> frozenset[str]:
    """Return the names of the weights that Muon is for.

    They are called ``weight`` or ``..._weight``, have two dimensions or more, and are neither an embedding, nor
    in the model's ``no_weight_decay``, nor the first or the last such weight: what reads the image, and the
    classifier.
    """
    embeddings = {id(part.weight) for part in model.modules() if isinstance(part, nn.Embedding | nn.EmbeddingBag)}
    never = undecayed(model)
    names = [
        name
        for name, parameter in model.named_parameters()
        if parameter.ndim >= 2
        and name.endswith("weight")
        and id(parameter) not in embeddings
        and name not in never
    ]
    return frozenset(names[1:-1])


class Muon(torch.optim.Optimizer):
    """torch.optim.Muon for the groups that are ``hidden``, torch.optim.AdamW for the others, one state for both.

    A weight of more than two dimensions is flattened to a matrix (outputs, everything else).

    Args:
        groups: with ``lr``, ``weight_decay`` and ``hidden``.
        momentum, nesterov, iterations, scale: of Muon.
        betas, eps: of AdamW.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        momentum: float,
        nesterov: bool,
        iterations: int,
        scale: str,
        betas: tuple[float, float],
        eps: float,
    ) -> None:
        of_muon = {
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_steps": iterations,
            "adjust_lr_fn": _SCALES[scale],
        }
        for group in groups:
            if group["hidden"]:
                group.update(of_muon)
        rest = [group for group in groups if not group["hidden"]]
        self._adamw = torch.optim.AdamW(rest, betas=betas, eps=eps) if rest else None
        super().__init__(groups, {})
        self._share()

    def _share(self) -> None:
        # AdamW works on the groups and the state of this optimizer, which alone are saved
        if self._adamw is not None:
            self._adamw.param_groups = [group for group in self.param_groups if not group["hidden"]]
            self._adamw.state = self.state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        super().load_state_dict(state_dict)
        self._share()

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002 (torch's signature)
        """Make one update."""
        for group in self.param_groups:
            if group["hidden"]:
                self._step_hidden(group)
        if self._adamw is not None:
            self._adamw.step()

    def _step_hidden(self, group: dict[str, Any]) -> None:
        weights = [weight for weight in group["params"] if weight.grad is not None]
        matrices = [weight.flatten(1) for weight in weights]
        for weight, matrix in zip(weights, matrices, strict=True):
            if weight not in self.state:
                self.state[weight] = {"moving": torch.zeros_like(matrix, memory_format=torch.contiguous_format)}
        muon(
            matrices,
            [weight.grad.flatten(1) for weight in weights],
            [self.state[weight]["moving"] for weight in weights],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            nesterov=group["nesterov"],
            ns_coefficients=(DEFAULT_A, DEFAULT_B, DEFAULT_C),
            ns_steps=group["ns_steps"],
            eps=EPS,
            adjust_lr_fn=group["adjust_lr_fn"],
            has_complex=False,
        )
        for weight, matrix in zip(weights, matrices, strict=True):
            # flattening copies where the channels lie last in memory
            if matrix.data_ptr() != weight.data_ptr():
                weight.copy_(matrix.view_as(weight))
