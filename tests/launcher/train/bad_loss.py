"""A loss that is no number for the batches that hold a sample of a class, from a step on."""

from torch import nn


class Bad(nn.CrossEntropyLoss):
    calls = 0
    bad_calls: tuple = ()

    def forward(self, logits, targets):
        loss = super().forward(logits, targets)
        if self.training:
            Bad.calls += 1
            if Bad.calls in Bad.bad_calls:
                return loss * float("nan")
        return loss


def build(options, num_classes, class_counts):
    return Bad()
