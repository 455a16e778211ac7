"""Published speeds on one GPU and on several, to hold a forecast against."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """Training speeds of one project, in images a second.

    Attributes:
        what: model, precision, GPU.
        source: whose figures they are.
        alone: on one GPU.
        several: on ``workers`` GPUs; lowest and highest where a range is published.
        workers: GPUs of one host.
    """

    what: str
    source: str
    alone: float
    several: tuple[float, float]
    workers: int = 8

    @property
    def efficiency(self) -> tuple[float, float]:
        """Return speed a GPU on several, as a share of that on one: lowest and highest."""
        least, most = (speed / self.workers / self.alone for speed in self.several)
        return least, most


_WHAT = "ResNet-50, mixed precision, A100"
# NVIDIA's DeepLearningExamples; each keeps the batch of a GPU
PUBLISHED = (
    Published(_WHAT, "NVIDIA's example for PyTorch", 2470, (16621, 16621)),
    Published(_WHAT, "NVIDIA's example for PaddlePaddle", 2711, (20267, 23874)),
    Published(_WHAT, "NVIDIA's example for MXNet", 3410, (26674, 26674)),
)
