"""What the rows of a family share."""

from dataclasses import dataclass
from typing import Any, Literal

from imgcls import Component

RGB = tuple[float, float, float]
# of ImageNet-1k's training images, in 0..1: what most published weights were trained with
IMAGENET_MEAN: RGB = (0.485, 0.456, 0.406)
IMAGENET_STD: RGB = (0.229, 0.224, 0.225)
# pixels in -1..1, as Inception and TensorFlow's models have them
HALF: RGB = (0.5, 0.5, 0.5)


@dataclass(frozen=True, kw_only=True)
class Family:
    """One builder's variants: :meth:`row` gives the component of each, with the facts that differ.

    Attributes:
        build: ``"module:attribute"`` of the builder.
        layouts: ``"module:attribute"`` of the function that translates other projects' names.
        year: of the paper.
        paper: where it is found, such as an arXiv number.
        source: whose ``top1`` and ``macs_g`` the rows give.
        input_size: height and width in pixels.
        eval_resize: shorter side in pixels before the evaluation's centre crop.
        interpolation: of that resize.
        mean, std: a value a channel, in 0..1.
        classes: number of classes that ``params`` are counted with.
    """

    build: str
    layouts: str = ""
    year: int
    paper: str
    source: str
    input_size: int = 224
    eval_resize: int = 256
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    classes: int = 1000

    def row(
        self,
        name: str,
        options: Any,
        *,
        params: int,
        macs_g: float,
        top1: float | None = None,
        paddleclas: str = "",
        note: str = "",
        **others: Any,
    ) -> Component:
        """Return a variant.

        Args:
            name: what a recipe says.
            options: an instance of the family's options, with the variant's values.
            params: parameters, exactly.
            macs_g: multiply-adds of one image of ``input_size``, in billions, as published.
            top1: percent on ImageNet-1k's validation images, as published.
            paddleclas: the model's name in PaddleClas's list, if it is there.
            note: where a figure is not that list's, or is disputed, why.
            others: further facts, over the family's own: year, paper, source, input_size, ...
        """
        facts: dict[str, Any] = {
            "year": self.year,
            "paper": self.paper,
            "params_m": params / 1e6,
            "macs_g": macs_g,
            "top1": top1,
            "source": self.source,
            "input_size": self.input_size,
            "eval_resize": self.eval_resize,
            "interpolation": self.interpolation,
            "mean": self.mean,
            "std": self.std,
            "classes": self.classes,
            "paddleclas": paddleclas,
            "note": note,
        }
        if unknown := others.keys() - facts.keys():
            raise TypeError(f"{name}: {', '.join(sorted(unknown))} is no fact")
        facts |= others
        facts["channels"] = len(facts["mean"])
        summary = f"{params / 1e6:.4g} M parameters, {facts['input_size']} px, {facts['year']}, {facts['paper']}"
        return Component(name, self.build, type(options), options, summary, facts, self.layouts)
