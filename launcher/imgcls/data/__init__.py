"""Index, order, draws, pipeline, loader: from a dataset to batches on the device."""
