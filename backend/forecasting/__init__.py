"""The pipeline that keeps the training table: a Django app, copied where it is wanted."""

__version__ = "0.9.0"
