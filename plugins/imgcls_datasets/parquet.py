"""Parquet files of encoded images, as Hugging Face's datasets are: https://huggingface.co/docs/hub/datasets-image.

Pages are compressed, so an image is no range of such a file: each file is unpacked once, into one flat file of
all images and one array of places and labels.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from imgcls import Source, UserError, cache
from imgcls_datasets import shards
from imgcls_datasets.options import Parquet
from imgcls_datasets.shards import Samples, Shard

_ROWS = 256  # at a time, in memory


def build(options: Parquet, split: str) -> Source | None:
    """The samples of a split, in the order of files and rows.

    Raises:
        UserError: files or columns are missing, a row has no image or no label; file and row are named.
    """
    root = Path(options.root).expanduser()
    kept = Path(options.cache).expanduser().absolute() if options.cache else cache.folder("parquet")
    found = shards.find(root, options.train, "train")
    names = () if options.classes else _class_names(root / found[0].name, options.label_column)
    # the labels of training, to number the classes by, only where nothing names them
    flat, samples = _unpacked(root, found, kept, options) if split == "train" or not names else ((), [])
    if not names:
        names = shards.names(root, options.classes, samples, f"{root}: {options.train}")
    if split != "train":
        if not options.val:
            return None
        found = shards.find(root, options.val, "val")
        theirs = _class_names(root / found[0].name, options.label_column)
        flat, samples = _unpacked(root, found, kept, options)
        if theirs and not options.classes:
            names = theirs  # that both agree is for the caller to see
    return shards.source(kept, flat, samples, names)


def _unpacked(
    root: Path, found: Sequence[Shard], kept: Path, options: Parquet
) -> tuple[Sequence[Shard], list[Samples]]:
    """Return the flat files of some Parquet files, in the cache's folder, and what is in them."""
    columns = options.image_column, options.label_column

    def one(shard: Shard) -> tuple[Shard, Samples]:
        key = json.dumps([str((root / shard.name).absolute()), shard.size, shard.changed, *columns])
        name = f"{Path(shard.name).stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        flat, table = kept / f"{name}.images", kept / f"{name}.npy"
        if not table.is_file() or not flat.is_file():
            _unpack(root / shard.name, flat, table, *columns)
        rows = np.load(table)
        return Shard(flat.name, 0, 0), Samples(rows[:, :2], rows[:, 2])

    try:
        kept.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            both = list(pool.map(one, found))
    except OSError as error:
        raise UserError(
            f"{kept}: cannot unpack into it: {error.strerror or error}; set data.cache to a folder with room"
        ) from None
    return [flat for flat, _ in both], [samples for _, samples in both]


def _unpack(path: Path, flat: Path, table: Path, image_column: str, label_column: str) -> None:
    """Write a Parquet file's images one after the other, and where each is; each file whole or not at all."""
    mark = secrets.token_hex(8)  # others may be at it, on other machines, too
    partial = flat.with_name(f".{flat.name}.{mark}"), table.with_name(f".{table.name}.{mark}")
    rows: list[tuple[int, int, int]] = []
    at = 0
    try:
        with partial[0].open("wb") as file:
            for image, label in _rows(path, image_column, label_column):
                file.write(image)
                rows.append((at, len(image), label))
                at += len(image)
        with partial[1].open("wb") as file:
            np.save(file, np.array(rows, np.int64).reshape(-1, 3))
        partial[0].replace(flat)
        partial[1].replace(table)  # last: it says that both are there
    finally:
        for one in partial:
            one.unlink(missing_ok=True)


def _rows(path: Path, image_column: str, label_column: str) -> Any:
    """Yield the image's bytes and the label of each row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _check(path, file.schema_arrow, image_column, label_column)
            number = 0
            for batch in file.iter_batches(_ROWS, columns=[image_column, label_column]):
                images, labels = batch.column(image_column), batch.column(label_column)
                if pa.types.is_struct(images.type):
                    images = images.field("bytes")
                for image, label in zip(images, labels.to_pylist(), strict=True):
                    if not image.is_valid or label is None:
                        what = f"label in '{label_column}'" if image.is_valid else f"image in '{image_column}'"
                        raise UserError(f"{path}: row {number} has no {what}")
                    yield image.as_buffer(), label
                    number += 1
    except (OSError, pa.ArrowException, ValueError) as error:
        raise UserError(f"{path}: cannot be read as Parquet: {error}") from None


def _check(path: Path, schema: Any, image_column: str, label_column: str) -> None:
    import pyarrow as pa

    for column, option in ((image_column, "image_column"), (label_column, "label_column")):
        if column not in schema.names:
            raise UserError(
                f"{path}: there is no column '{column}', only {', '.join(schema.names)}; set data.{option}"
            )
    kind = schema.field(image_column).type
    held = kind.field("bytes").type if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
    if not (pa.types.is_binary(held) or pa.types.is_large_binary(held)):
        raise UserError(f"{path}: the column '{image_column}' holds {kind}, not bytes or a struct with 'bytes'")
    if not pa.types.is_integer(schema.field(label_column).type):
        raise UserError(
            f"{path}: the column '{label_column}' holds {schema.field(label_column).type}, expected integers"
        )


def _class_names(path: Path, label_column: str) -> tuple[str, ...]:
    """Return the class names that Hugging Face's datasets note in the schema; empty where there are none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
        noted = json.loads(metadata.get(b"huggingface", b"{}"))
        names = noted["info"]["features"][label_column]["names"]
    except (KeyError, TypeError):
        return ()
    except (OSError, pa.ArrowException, ValueError) as error:
        raise UserError(f"{path}: cannot be read as Parquet: {error}") from None
    return tuple(str(name) for name in names)
