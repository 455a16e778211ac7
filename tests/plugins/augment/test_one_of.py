"""From an operation, a magnitude and a sign to what DALI is fed."""

import math

import numpy as np
import pytest

from imgcls_augment.one_of import OneOf, Row
from imgcls_augment.policies import AUTO_AUGMENT, RAND_AUGMENT, RAND_AUGMENT_PAPER, TRIVIAL_AUGMENT_WIDE

EYE = np.eye(2, 3)


def fed(rows, operation, level, negative=False, size=224):
    one_of = OneOf(rows, 128, "nearest")
    number = [row.operation for row in rows].index(operation)
    chosen, negative = np.array([number]), np.array([negative])
    kind, value, matrix = one_of.parameters(chosen, np.array([level]), negative, size)
    assert (kind.dtype, value.dtype, matrix.dtype) == (np.int32, np.float32, np.float32)
    assert matrix.shape == (1, 2, 3)
    return one_of.kinds[kind[0]], value[0], matrix[0]


# what torchvision's RandAugment does at magnitude 9 of 30, AutoAugment at 8 of 9, TrivialAugmentWide at 21 of 30
@pytest.mark.parametrize(("rows", "operation", "level", "kind", "values"), [
    (RAND_AUGMENT, "brightness", 0.3, "brightness", (1.27, 0.73)),
    (RAND_AUGMENT, "color", 1.0, "color", (1.9, 0.1)),
    (RAND_AUGMENT, "contrast", 0.0, "contrast", (1.0, 1.0)),
    (RAND_AUGMENT, "sharpness", 0.3, "sharpness", (1.27, 0.73)),
    (RAND_AUGMENT, "solarize", 0.3, "solarize", (178.5, 178.5)),
    (RAND_AUGMENT, "solarize", 1.0, "solarize", (0, 0)),
    (RAND_AUGMENT, "posterize", 0.0, "posterize", (255, 255)),
    (RAND_AUGMENT, "posterize", 0.3, "posterize", (254, 254)),  # 8 - round(1.2) bits
    (RAND_AUGMENT, "posterize", 1.0, "posterize", (240, 240)),
    (RAND_AUGMENT, "identity", 0.5, "keep", (0, 0)),
    (RAND_AUGMENT, "autocontrast", 0.5, "autocontrast", (0, 0)),
    (RAND_AUGMENT, "equalize", 0.5, "equalize", (0, 0)),
    (RAND_AUGMENT_PAPER, "color", 0.0, "color", (0.1, 0.1)),
    (RAND_AUGMENT_PAPER, "brightness", 0.75, "brightness", (1.45, 1.45)),
    (RAND_AUGMENT_PAPER, "solarize", 0.5, "solarize", (128, 128)),
    (RAND_AUGMENT_PAPER, "posterize", 0.0, "posterize", (240, 240)),
    (RAND_AUGMENT_PAPER, "posterize", 1.0, "posterize", (255, 255)),
    (AUTO_AUGMENT, "color", 8 / 9, "color", (1.8, 0.2)),
    (AUTO_AUGMENT, "posterize", 8 / 9, "posterize", (240, 240)),  # 8 - round(3.56)
    (AUTO_AUGMENT, "solarize", 5 / 9, "solarize", (340 / 3, 340 / 3)),
    (AUTO_AUGMENT, "invert", 0.0, "invert", (0, 0)),
    (TRIVIAL_AUGMENT_WIDE, "sharpness", 1.0, "sharpness", (1.99, 0.01)),
    (TRIVIAL_AUGMENT_WIDE, "posterize", 1.0, "posterize", (192, 192)),
    (TRIVIAL_AUGMENT_WIDE, "posterize", 0.7, "posterize", (240, 240)),  # 8 - round(4.2)
])  # fmt: skip
def test_a_value_is_what_torchvision_has(rows, operation, level, kind, values):
    for negative, expected in zip((False, True), values, strict=True):
        found, value, matrix = fed(rows, operation, level, negative)
        assert found == kind
        assert value == pytest.approx(expected, abs=1e-4)
        assert np.array_equal(matrix, EYE)


@pytest.mark.parametrize(("rows", "operation", "level", "entry", "expected"), [
    (RAND_AUGMENT, "shear_x", 0.3, (0, 1), 0.09),
    (RAND_AUGMENT, "shear_y", 1.0, (1, 0), 0.3),
    (RAND_AUGMENT, "translate_x", 0.3, (0, 2), 30),  # 0.3 * 150 / 331 * 224 = 30.45
    (RAND_AUGMENT, "translate_y", 1.0, (1, 2), 101),
    (TRIVIAL_AUGMENT_WIDE, "shear_x", 1.0, (0, 1), 0.99),
    (TRIVIAL_AUGMENT_WIDE, "translate_y", 0.5, (1, 2), 16),
])  # fmt: skip
def test_a_matrix_moves_by_what_torchvision_has(rows, operation, level, entry, expected):
    for negative, sign in ((False, 1), (True, -1)):
        kind, value, matrix = fed(rows, operation, level, negative)
        changed = EYE.copy()
        changed[entry] = sign * expected
        assert (kind, value) == ("warp", 0)
        assert np.allclose(matrix, changed, atol=2e-5)


@pytest.mark.parametrize(("rows", "level", "degrees"), [(RAND_AUGMENT, 0.3, 9), (TRIVIAL_AUGMENT_WIDE, 1.0, 135)])
def test_a_rotation_turns_about_the_centre(rows, level, degrees):
    for negative, sign in ((False, 1), (True, -1)):
        kind, _, matrix = fed(rows, "rotate", level, negative)
        assert kind == "warp"
        assert np.allclose(matrix @ [112, 112, 1], [112, 112], atol=1e-4)
        assert matrix[0, 0] == pytest.approx(math.cos(math.radians(degrees)), abs=2e-5)
        assert matrix[1, 0] == pytest.approx(sign * math.sin(math.radians(degrees)), abs=2e-5)


def test_moves_follow_the_size_where_a_row_says_so():
    assert fed(RAND_AUGMENT, "translate_x", 1.0, size=32)[2][0, 2] == 14
    assert fed(TRIVIAL_AUGMENT_WIDE, "translate_x", 1.0, size=64)[2][0, 2] == 32


def test_nothing_chosen_changes_nothing():
    one_of = OneOf([Row("invert"), Row("rotate", 0, 30, signed=True)], 0, "nearest")
    kind, value, matrix = one_of.parameters(np.array([-1, 0, -1]), np.ones(3), np.ones(3, bool), 32)
    assert [one_of.kinds[k] for k in kind] == ["keep", "invert", "keep"]
    assert not value.any()
    assert np.array_equal(matrix, np.tile(EYE, (3, 1, 1)))


def test_of_no_samples_there_are_no_rows():
    none = np.zeros(0, np.int64)
    found = OneOf(RAND_AUGMENT, 0, "nearest").parameters(none, np.zeros(0), np.zeros(0, bool), 32)
    assert [each.shape for each in found] == [(0,), (0,), (0, 2, 3)]
