"""Datasets: what finds images and labels, before anything is decoded."""

from collections.abc import Iterable

from imgcls import Component, hookimpl


@hookimpl
def imgcls_datasets() -> Iterable[Component]:
    from imgcls_datasets import options

    rows = [
        ("digits", "digits:build", options.Digits,
         "1,797 handwritten digits of 8x8 pixels that come with scikit-learn"),
        ("mnist", "mnist:build", options.Mnist,
         "60,000 + 10,000 handwritten digits of 28x28 pixels, LeCun et al., 1998, doi:10.1109/5.726791"),
        ("fashion_mnist", "fashion_mnist:build", options.FashionMnist,
         "60,000 + 10,000 articles of clothing of 28x28 pixels, arXiv:1708.07747"),
        ("cifar10", "cifar:cifar10", options.Cifar10,
         "50,000 + 10,000 images of 32x32 pixels in 10 classes, Krizhevsky, 2009, www.cs.toronto.edu/~kriz/cifar"),
        ("cifar100", "cifar:cifar100", options.Cifar100,
         "50,000 + 10,000 images of 32x32 pixels in 100 fine or 20 coarse classes, Krizhevsky, 2009"),
        ("image_folder", "image_folder:build", options.ImageFolder,
         "a folder of class folders, or of train and val with class folders"),
        ("csv_file", "csv_file:build", options.CsvFile,
         "a CSV or TSV file with a path, a class and, if wanted, a weight and a split for each image"),
        ("list_file", "list_file:build", options.ListFile,
         "lists of 'path label' lines, as PaddleClas has them"),
        ("imagenet", "imagenet:build", options.ImageNet,
         "ImageNet-1k in class folders, val also flat with a file of labels, arXiv:1409.0575"),
        ("webdataset", "webdataset:build", options.WebDataset,
         "tar shards of the webdataset package, shuffled over all samples"),
        ("tfrecord", "tfrecord:build", options.TfRecord,
         "TFRecord shards of tf.train.Example, as TensorFlow's ImageNet scripts write them"),
        ("parquet", "parquet:build", options.Parquet,
         "Parquet files with encoded images, as Hugging Face's datasets are"),
    ]  # fmt: skip
    return [
        Component(name, f"imgcls_datasets.{build}", cls, summary=summary) for name, build, cls, summary in rows
    ]
