"""What is written can be read back, by other readers."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from faceinpaint.encoding import mask_png, parquet_bytes, png_bytes


def test_a_table_keeps_its_rows_and_the_size_of_its_row_groups():
    table = pa.table({"key": [f"{i}.png" for i in range(5)]})
    file = pq.ParquetFile(io.BytesIO(parquet_bytes(table, row_group_size=2)))
    assert file.read() == table
    assert file.num_row_groups == 3


def test_a_picture_keeps_its_pixels_and_the_order_of_its_channels():
    picture = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png_bytes(picture)))), picture)


def test_a_hole_is_white():
    hole = np.array([[0, 1], [1, 0]], np.uint8)
    for kind in (np.uint8, bool):
        picture = Image.open(io.BytesIO(mask_png(hole.astype(kind))))
        assert picture.mode == "L"
        assert np.array_equal(np.asarray(picture), [[0, 255], [255, 0]])
