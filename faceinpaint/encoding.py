"""Tables and pictures as the bytes of a file."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def parquet_bytes(table: pa.Table, row_group_size: int | None = None) -> bytes:
    """A Parquet file of ``table``; ``row_group_size``: rows per row group, at most."""
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=row_group_size)
    return sink.getvalue()


def png_bytes(picture: np.ndarray) -> bytes:
    """A PNG of ``picture`` uint8 (H, W, 3), or (H, W) for grey."""
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "PNG")
    return sink.getvalue()


def mask_png(hole: np.ndarray) -> bytes:
    """A grey PNG of ``hole`` uint8 or bool (H, W), 1 in the hole: the hole is white."""
    return cv2.imencode(".png", hole * np.uint8(255))[1].tobytes()
