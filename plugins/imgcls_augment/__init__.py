"""Augmentations: per image, in DALI, with all randomness drawn outside."""

from collections.abc import Iterable

from imgcls import Component, hookimpl


@hookimpl
def imgcls_augmentations() -> Iterable[Component]:
    from imgcls_augment.options import HorizontalFlip, RandomCrop, RandomResizedCrop

    return [
        Component(
            "random_resized_crop",
            "imgcls_augment.random_resized_crop:build",
            RandomResizedCrop,
            summary="a region of random area and shape, decoded alone, arXiv:1409.4842",
        ),
        Component(
            "random_crop",
            "imgcls_augment.random_crop:build",
            RandomCrop,
            summary="shift by up to `padding` pixels, as for CIFAR, arXiv:1409.5185",
        ),
        Component(
            "horizontal_flip",
            "imgcls_augment.horizontal_flip:build",
            HorizontalFlip,
            summary="mirror left and right",
        ),
    ]
