"""Datasets: what finds images and labels, before anything is decoded."""

from collections.abc import Iterable

from imgcls import Component, hookimpl


@hookimpl
def imgcls_datasets() -> Iterable[Component]:
    from imgcls_datasets.options import Digits, FashionMnist, ImageFolder, ImageNet

    return [
        Component(
            "digits",
            "imgcls_datasets.digits:build",
            Digits,
            summary="1,797 handwritten digits of 8x8 pixels that come with scikit-learn",
        ),
        Component(
            "fashion_mnist",
            "imgcls_datasets.fashion_mnist:build",
            FashionMnist,
            summary="60,000 + 10,000 articles of clothing of 28x28 pixels, arXiv:1708.07747",
        ),
        Component(
            "image_folder",
            "imgcls_datasets.image_folder:build",
            ImageFolder,
            summary="a folder of class folders, or of train and val with class folders",
        ),
        Component(
            "imagenet",
            "imgcls_datasets.imagenet:build",
            ImageNet,
            summary="ImageNet-1k as class folders in train and val, arXiv:1409.0575",
        ),
    ]
