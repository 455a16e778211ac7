"""The teacher of a run: built and loaded as it was trained, shown the student's images, never changed."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from imgcls.errors import UserError
from imgcls.plan import Format, Plan
from imgcls.train.step import Autocast, autocast
from imgcls.train.weights import fit, read
from imgcls.weights import here


class Teacher:
    """Answers to images that were made for another model.

    Args:
        model: on the images' device; is put in evaluation mode, and gets no gradients.
        own: the images that it was trained on: ``size``, ``mean``, ``std``.
        given: the images that it is shown.
        precision: context of its forward pass.
    """

    def __init__(self, model: nn.Module, own: Format, given: Format, precision: Autocast) -> None:
        self.model = model.eval().requires_grad_(False)
        self.size = own.size
        self.precision = precision
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        self.scale, self.shift = _normalisation(given, own, device)
        self.is_as_given = own.mean == given.mean and own.std == given.std

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Return logits, float32 (N, classes), of float32 images (N, C, H, W) that are normalised as ``given``.

        Images of another size are resized, bilinearly and with antialiasing.
        """
        if not self.is_as_given:
            images = torch.addcmul(self.shift, images, self.scale)
        if images.shape[2:] != (self.size, self.size):
            images = functional.interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        with self.precision():
            logits: Tensor = self.model(images)
        return logits.float()


def _normalisation(given: Format, own: Format, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return factor and summand, (1, C, 1, 1) each, that take one normalisation to another.

    ``x s + m`` is the pixel, so ``(x s + m - m') / s' = x (s / s') + (m - m') / s'``.
    """
    shape = (1, -1, 1, 1)
    means = [torch.tensor(form.mean, dtype=torch.float64).reshape(shape) for form in (given, own)]
    stds = [torch.tensor(form.std, dtype=torch.float64).reshape(shape) for form in (given, own)]
    scale, shift = stds[0] / stds[1], (means[0] - means[1]) / stds[1]
    return scale.to(device, torch.float32), shift.to(device, torch.float32)


def load_teacher(plan: Plan, device: torch.device) -> Teacher:
    """Return the teacher of a plan that has one.

    Raises:
        UserError: its file is gone, is another by now, is damaged, or is of another model or number of classes.
    """
    distill, settings = plan.distill, plan.train
    assert distill is not None
    assert distill.weights is not None
    assert distill.format is not None
    classes, channels = len(plan.data.classes), distill.format.channels
    model: nn.Module = distill.model.construct(num_classes=classes, in_channels=channels)
    file = here(distill.weights)
    try:
        fit(model, read(file), None, classes, channels, distill.model.known_layouts(), distill.weights.layout)
    except UserError as error:
        text = str(error).replace("weights.layout", "distill.layout")
        raise UserError(f"distill.teacher {file}, as {distill.model.name} of {classes} classes: {text}") from None
    model.to(device)
    if settings.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if settings.compile:
        model.compile()
    return Teacher(model, distill.format, plan.format, autocast(settings.precision, device))
