"""The operations of each method with their ranges, and AutoAugment's policies: tables, no code.

Ranges grow with the magnitude, and signs are random, as torchvision has it.
"""

from imgcls_augment.one_of import SHARE, Row

GREATEST = 30  # magnitude of RandAugment and TrivialAugment
LEVELS = 10  # of AutoAugment, 0 to 9

RAND_AUGMENT = (
    Row("identity"),
    Row("shear_x", 0, 0.3, signed=True),
    Row("shear_y", 0, 0.3, signed=True),
    Row("translate_x", 0, SHARE, signed=True, of_size=True),
    Row("translate_y", 0, SHARE, signed=True, of_size=True),
    Row("rotate", 0, 30, signed=True),
    Row("brightness", 0, 0.9, signed=True),
    Row("color", 0, 0.9, signed=True),
    Row("contrast", 0, 0.9, signed=True),
    Row("sharpness", 0, 0.9, signed=True),
    Row("posterize", 0, 4),
    Row("solarize", 255, 0),
    Row("autocontrast"),
    Row("equalize"),
)

# The ranges of arXiv:1805.09501 without a sign: a greater magnitude is brighter, more colourful, and so on, and
# fewer pixels solarised and fewer bits dropped.
_PAPER = {
    "brightness": Row("brightness", -0.9, 0.9),
    "color": Row("color", -0.9, 0.9),
    "contrast": Row("contrast", -0.9, 0.9),
    "sharpness": Row("sharpness", -0.9, 0.9),
    "posterize": Row("posterize", 4, 0),
    "solarize": Row("solarize", 0, 256),
}
RAND_AUGMENT_PAPER = tuple(_PAPER.get(row.operation, row) for row in RAND_AUGMENT)

AUTO_AUGMENT = (*RAND_AUGMENT, Row("invert"))

TRIVIAL_AUGMENT_WIDE = (
    Row("identity"),
    Row("shear_x", 0, 0.99, signed=True),
    Row("shear_y", 0, 0.99, signed=True),
    Row("translate_x", 0, 32, signed=True),
    Row("translate_y", 0, 32, signed=True),
    Row("rotate", 0, 135, signed=True),
    Row("brightness", 0, 0.99, signed=True),
    Row("color", 0, 0.99, signed=True),
    Row("contrast", 0, 0.99, signed=True),
    Row("sharpness", 0, 0.99, signed=True),
    Row("posterize", 0, 6),
    Row("solarize", 255, 0),
    Row("autocontrast"),
    Row("equalize"),
)

# without those that overlap with ImageNet-C's corruptions: arXiv:1912.02781, section 3
AUG_MIX = (
    Row("shear_x", 0, 0.3, signed=True),
    Row("shear_y", 0, 0.3, signed=True),
    Row("translate_x", 0, 1 / 3, signed=True, of_size=True),
    Row("translate_y", 0, 1 / 3, signed=True, of_size=True),
    Row("rotate", 0, 30, signed=True),
    Row("posterize", 4, 8),
    Row("solarize", 256, 0),
    Row("autocontrast"),
    Row("equalize"),
)
AUG_MIX_ALL = (
    *AUG_MIX,
    Row("brightness", 0, 0.9, signed=True),
    Row("color", 0, 0.9, signed=True),
    Row("contrast", 0, 0.9, signed=True),
    Row("sharpness", 0, 0.9, signed=True),
)

Step = tuple[str, float, int]  # operation, probability, level (0 where it has none)

# the appendix of arXiv:1805.09501; ImageNet's is the one found on a reduced ImageNet, as in torchvision
POLICIES: dict[str, tuple[tuple[Step, Step], ...]] = {
    "imagenet": (
        (("posterize", 0.4, 8), ("rotate", 0.6, 9)),
        (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
        (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
        (("posterize", 0.6, 7), ("posterize", 0.6, 6)),
        (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
        (("equalize", 0.4, 0), ("rotate", 0.8, 8)),
        (("solarize", 0.6, 3), ("equalize", 0.6, 0)),
        (("posterize", 0.8, 5), ("equalize", 1.0, 0)),
        (("rotate", 0.2, 3), ("solarize", 0.6, 8)),
        (("equalize", 0.6, 0), ("posterize", 0.4, 6)),
        (("rotate", 0.8, 8), ("color", 0.4, 0)),
        (("rotate", 0.4, 9), ("equalize", 0.6, 0)),
        (("equalize", 0.0, 0), ("equalize", 0.8, 0)),
        (("invert", 0.6, 0), ("equalize", 1.0, 0)),
        (("color", 0.6, 4), ("contrast", 1.0, 8)),
        (("rotate", 0.8, 8), ("color", 1.0, 2)),
        (("color", 0.8, 8), ("solarize", 0.8, 7)),
        (("sharpness", 0.4, 7), ("invert", 0.6, 0)),
        (("shear_x", 0.6, 5), ("equalize", 1.0, 0)),
        (("color", 0.4, 0), ("equalize", 0.6, 0)),
        (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
        (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
        (("invert", 0.6, 0), ("equalize", 1.0, 0)),
        (("color", 0.6, 4), ("contrast", 1.0, 8)),
        (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
    ),
    "cifar10": (
        (("invert", 0.1, 0), ("contrast", 0.2, 6)),
        (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
        (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
        (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
        (("autocontrast", 0.5, 0), ("equalize", 0.9, 0)),
        (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
        (("color", 0.4, 3), ("brightness", 0.6, 7)),
        (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
        (("equalize", 0.6, 0), ("equalize", 0.5, 0)),
        (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
        (("color", 0.7, 7), ("translate_x", 0.5, 8)),
        (("equalize", 0.3, 0), ("autocontrast", 0.4, 0)),
        (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
        (("brightness", 0.9, 6), ("color", 0.2, 8)),
        (("solarize", 0.5, 2), ("invert", 0.0, 0)),
        (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
        (("equalize", 0.2, 0), ("equalize", 0.6, 0)),
        (("color", 0.9, 9), ("equalize", 0.6, 0)),
        (("autocontrast", 0.8, 0), ("solarize", 0.2, 8)),
        (("brightness", 0.1, 3), ("color", 0.7, 0)),
        (("solarize", 0.4, 5), ("autocontrast", 0.9, 0)),
        (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
        (("autocontrast", 0.9, 0), ("solarize", 0.8, 3)),
        (("equalize", 0.8, 0), ("invert", 0.1, 0)),
        (("translate_y", 0.7, 9), ("autocontrast", 0.9, 0)),
    ),
    "svhn": (
        (("shear_x", 0.9, 4), ("invert", 0.2, 0)),
        (("shear_y", 0.9, 8), ("invert", 0.7, 0)),
        (("equalize", 0.6, 0), ("solarize", 0.6, 6)),
        (("invert", 0.9, 0), ("equalize", 0.6, 0)),
        (("equalize", 0.6, 0), ("rotate", 0.9, 3)),
        (("shear_x", 0.9, 4), ("autocontrast", 0.8, 0)),
        (("shear_y", 0.9, 8), ("invert", 0.4, 0)),
        (("shear_y", 0.9, 5), ("solarize", 0.2, 6)),
        (("invert", 0.9, 0), ("autocontrast", 0.8, 0)),
        (("equalize", 0.6, 0), ("rotate", 0.9, 3)),
        (("shear_x", 0.9, 4), ("solarize", 0.3, 3)),
        (("shear_y", 0.8, 8), ("invert", 0.7, 0)),
        (("equalize", 0.9, 0), ("translate_y", 0.6, 6)),
        (("invert", 0.9, 0), ("equalize", 0.6, 0)),
        (("contrast", 0.3, 3), ("rotate", 0.8, 4)),
        (("invert", 0.8, 0), ("translate_y", 0.0, 2)),
        (("shear_y", 0.7, 6), ("solarize", 0.4, 8)),
        (("invert", 0.6, 0), ("rotate", 0.8, 4)),
        (("shear_y", 0.3, 7), ("translate_x", 0.9, 3)),
        (("shear_x", 0.1, 6), ("invert", 0.6, 0)),
        (("solarize", 0.7, 2), ("translate_y", 0.6, 7)),
        (("shear_y", 0.8, 4), ("invert", 0.8, 0)),
        (("shear_x", 0.7, 9), ("translate_y", 0.8, 3)),
        (("shear_y", 0.8, 5), ("autocontrast", 0.7, 0)),
        (("shear_x", 0.7, 2), ("invert", 0.1, 0)),
    ),
}
