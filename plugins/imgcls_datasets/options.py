"""What datasets can be told."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt

from imgcls import options


@options
class Digits:
    """Handwritten digits of scikit-learn (a part of UCI's 'Optical recognition of handwritten digits')."""


@options
class FashionMnist:
    """Fashion-MNIST, looked for in ``root``, then in Debian's package, then downloaded into ``root``."""

    root: Annotated[str, "folder of the four idx files"] = "~/.cache/imgcls/fashion-mnist"
    download: Annotated[bool, "fetch what is missing from the publisher"] = True


@options
class Mnist:
    """MNIST, as the four idx files, gzipped or not."""

    root: Annotated[str, "folder of the four idx files"] = "~/.cache/imgcls/mnist"


@options
class Cifar10:
    """CIFAR-10, binary version or the one for Python, unpacked or as the publisher's .tar.gz."""

    root: Annotated[str, "folder of the publisher's files, or of its archive"] = "~/.cache/imgcls/cifar10"


@options
class Cifar100:
    """CIFAR-100, binary version or the one for Python, unpacked or as the publisher's .tar.gz."""

    root: Annotated[str, "folder of the publisher's files, or of its archive"] = "~/.cache/imgcls/cifar100"
    labels: Annotated[Literal["fine", "coarse"], "100 classes, or the 20 they are grouped into"] = "fine"


@options
class ImageFolder:
    """Images in one folder a class."""

    root: Annotated[str, "folder of class folders, or of train and val with these; may be an s3:// address"]


@options
class CsvFile:
    """Images named in a CSV or TSV file with a header: ``path,label``, perhaps ``weight`` and ``split``."""

    file: Annotated[str, "the CSV or TSV file, below root or anywhere; with a split column it holds both splits"]
    val: Annotated[str, "another such file for validation; empty: the split column's, or none"] = ""
    root: Annotated[str, "folder that paths are relative to; may be an s3:// address; empty: each file's"] = ""
    classes: Annotated[str, "file of class names, one a line, in the order of the labels; empty: sorted"] = ""
    delimiter: Annotated[str, "one character; empty: a tab in .tsv files, a comma in others"] = ""
    path_column: Annotated[str, "header of the images' paths"] = "path"
    label_column: Annotated[str, "header of the class names"] = "label"
    weight_column: Annotated[str, "header of the weights; 'weight' may be missing"] = "weight"
    split_column: Annotated[str, "header of 'train' or 'validation'; 'split' may be missing"] = "split"


@options
class ListFile:
    """Images named in list files of ``path label`` lines, the label an integer from 0, as PaddleClas has them."""

    root: Annotated[str, "folder that the paths are relative to"]
    train: Annotated[str, "the list of training, below root or anywhere"] = "train_list.txt"
    val: Annotated[str, "the list of validation; empty: a part of training is held out"] = "val_list.txt"
    classes: Annotated[str, "file of class names, one a line; empty: the labels themselves"] = ""


@options
class ImageNet:
    """ImageNet-1k: ``train`` in class folders, ``val`` in class folders or flat with a file of labels."""

    root: Annotated[str, "folder of train and val, or Kaggle's of ILSVRC; may be an s3:// address"]
    classes: Annotated[int, Gt(0), "class folders that must be there"] = 1000
    val_labels: Annotated[str, "file of val's labels where val is flat; empty: looked for in root"] = ""


@options
class WebDataset:
    """Tar shards of samples whose files share a name, as the webdataset package writes them."""

    root: Annotated[str, "folder of the shards; may be an s3:// address"]
    train: Annotated[str, "shards of training, such as 'train-{0000..0146}.tar' or 'train-*.tar'"] = "train-*.tar"
    val: Annotated[str, "shards of validation; empty: a part of training is held out"] = ""
    label: Annotated[Literal["cls", "json"], "ending of the file with a sample's label"] = "cls"
    json_key: Annotated[str, "where in .json files the label is"] = "label"
    classes: Annotated[str, "file of class names, one a line; empty: the labels themselves"] = ""


@options
class TfRecord:
    """TFRecord shards of tf.train.Example, as TensorFlow's ImageNet scripts write them."""

    root: Annotated[str, "folder of the shards"]
    train: Annotated[str, "shards of training, such as 'train-{00000..01023}-of-01024'"] = "train-*"
    val: Annotated[str, "shards of validation; empty: a part of training is held out"] = "validation-*"
    image_key: Annotated[str, "feature of the encoded image"] = "image/encoded"
    label_key: Annotated[str, "feature of the label"] = "image/class/label"
    first_label: Annotated[int, Ge(0), "the first class's label: 1 where 0 means background"] = 0
    classes: Annotated[str, "file of class names, one a line; empty: the labels themselves"] = ""


@options
class Parquet:
    """Parquet files of encoded images, as Hugging Face's datasets are; unpacked once into a cache."""

    root: Annotated[str, "folder of the files"]
    train: Annotated[str, "files of training, below root"] = "data/train-*.parquet"
    val: Annotated[str, "files of validation; empty: a part of training is held out"] = "data/validation-*.parquet"
    image_column: Annotated[str, "column of the images: bytes, or a struct of bytes and path"] = "image"
    label_column: Annotated[str, "column of the labels, integers"] = "label"
    classes: Annotated[str, "file of class names, one a line; empty: those in the files, or the labels"] = ""
    cache: Annotated[str, "folder to unpack into; empty: parquet in $IMGCLS_CACHE or ~/.cache/imgcls"] = ""
