"""Augmentations: per image in DALI, per batch in torch, with all randomness drawn outside."""

from collections.abc import Iterable

from imgcls import Component, hookimpl


@hookimpl
def imgcls_augmentations() -> Iterable[Component]:
    from imgcls_augment.options import (
        AugMix,
        AutoAugment,
        ColorJitter,
        CutMix,
        Cutout,
        GaussianBlur,
        Grayscale,
        GridMask,
        HideAndSeek,
        HorizontalFlip,
        Mixup,
        RandAugment,
        RandomCrop,
        RandomErasing,
        RandomResizedCrop,
        RandomRotation,
        ResizeMix,
        Solarize,
        ThreeAugment,
        TrivialAugment,
    )

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
            "rand_augment",
            "imgcls_augment.rand_augment:build",
            RandAugment,
            summary="fourteen operations of one magnitude, arXiv:1909.13719",
        ),
        Component(
            "auto_augment",
            "imgcls_augment.auto_augment:build",
            AutoAugment,
            summary="25 pairs of operations, found by search, arXiv:1805.09501",
        ),
        Component(
            "trivial_augment",
            "imgcls_augment.trivial_augment:build",
            TrivialAugment,
            summary="one operation of any strength, wide ranges, arXiv:2103.10158",
        ),
        Component(
            "color_jitter",
            "imgcls_augment.color_jitter:build",
            ColorJitter,
            summary="brightness, contrast, saturation and hue by random amounts",
        ),
        Component(
            "grayscale",
            "imgcls_augment.grayscale:build",
            Grayscale,
            summary="grey with a probability",
        ),
        Component(
            "gaussian_blur",
            "imgcls_augment.gaussian_blur:build",
            GaussianBlur,
            summary="blur with a probability, as SimCLR has it, arXiv:2002.05709",
        ),
        Component(
            "solarize",
            "imgcls_augment.solarize:build",
            Solarize,
            summary="invert what is bright, with a probability",
        ),
        Component(
            "random_rotation",
            "imgcls_augment.random_rotation:build",
            RandomRotation,
            summary="rotate about the centre",
        ),
        Component(
            "three_augment",
            "imgcls_augment.three_augment:build",
            ThreeAugment,
            summary="grayscale, solarize or blur, as DeiT III has it, arXiv:2204.07118",
        ),
        Component(
            "aug_mix",
            "imgcls_augment.aug_mix:build",
            AugMix,
            summary="the image mixed with chains of operations on it, arXiv:1912.02781",
        ),
        Component(
            "horizontal_flip",
            "imgcls_augment.horizontal_flip:build",
            HorizontalFlip,
            summary="mirror left and right",
        ),
        Component(
            "cutout",
            "imgcls_augment.cutout:build",
            Cutout,
            summary="hide squares anywhere, arXiv:1708.04552",
        ),
        Component(
            "random_erasing",
            "imgcls_augment.random_erasing:build",
            RandomErasing,
            summary="fill boxes of random area, shape and place, arXiv:1708.04896",
        ),
        Component(
            "hide_and_seek",
            "imgcls_augment.hide_and_seek:build",
            HideAndSeek,
            summary="hide each patch of a grid by chance, arXiv:1811.02545",
        ),
        Component(
            "grid_mask",
            "imgcls_augment.grid_mask:build",
            GridMask,
            summary="hide a turned grid of squares, more often from epoch to epoch, arXiv:2001.04086",
        ),
        Component(
            "mixup",
            "imgcls_augment.mixup:build",
            Mixup,
            summary="a weighted mean of two images and their labels, arXiv:1710.09412",
        ),
        Component(
            "cutmix",
            "imgcls_augment.cutmix:build",
            CutMix,
            summary="a box of another image in its place, labels by area, arXiv:1905.04899",
        ),
        Component(
            "resize_mix",
            "imgcls_augment.resize_mix:build",
            ResizeMix,
            summary="the whole of another image, made smaller, in a box; labels by area, arXiv:2012.11101",
        ),
    ]
