"""The folder of staged Parquet files: one per asset and partition.

Paths, writing and reading belong here. The meaning of the columns belongs in
`validation/schemas.py`.
"""

import os
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:/")


class StagingError(Exception):
    """A staged file is missing or the folder cannot be used."""


class Staging:
    """Staged rows below one local folder.

    Args:
        root: The folder. It is created when the first file is written.

    Raises:
        StagingError: `root` is a URI.
    """

    def __init__(self, root: Path | str) -> None:
        if _URI.match(str(root)):
            scheme = str(root).partition(":")[0]
            message = (
                f"Staging failed: expected a local folder, got a {scheme} URI. Set "
                "`staging` to a folder, for object storage to one that is mounted."
            )
            raise StagingError(message)
        self.root = Path(root)

    def path(self, asset: str, partition: str) -> Path:
        """Return the path of an asset's partition, whether the file exists or not."""
        return self.root / asset / partition / "rows.parquet"

    def existing(
        self,
        asset: str,
        partition: str,
        made_by: str = "",
        schema: pa.Schema | None = None,
    ) -> Path:
        """Return `path`, if the file exists.

        Args:
            asset: Name of the asset.
            partition: Key of the partition.
            made_by: The asset that stages the file beside its own rows; empty: `asset`.
            schema: As for `read`.

        Raises:
            StagingError: As `read`.
        """
        path = self.path(asset, partition)
        if not path.is_file():
            message = (
                f"Reading staged rows failed for {asset} {partition}: expected a file "
                f"of the upstream asset, got none. Materialise {made_by or asset} for "
                f"partition {partition}."
            )
            raise StagingError(message)
        if schema is not None and not pq.read_schema(path).equals(schema):
            message = (
                f"Reading staged rows failed for {asset} {partition}: expected the "
                "columns of this version, got those of another one. Materialise "
                f"{made_by or asset} for partition {partition} again, and what is "
                "upstream of it."
            )
            raise StagingError(message)
        return path

    @contextmanager
    def writer(
        self, asset: str, partition: str, schema: pa.Schema
    ) -> Iterator[pq.ParquetWriter]:
        """Replace the rows of a partition, all or nothing.

        Args:
            asset: Name of the asset.
            partition: Key of the partition.
            schema: Columns of the file. Each write is a row group.

        Yields:
            A writer. The file is replaced when the block ends without an error. Until
            then, and after an error, the earlier file stays as it was.
        """
        path = self.path(asset, partition)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            with unfinished.open("wb") as file:
                with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                    yield writer
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def read(
        self,
        asset: str,
        partition: str,
        columns: Sequence[str] | None = None,
        batch_rows: int = 10_000,
        schema: pa.Schema | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Stream the rows of a partition, in the order of the file.

        Args:
            asset: Name of the asset.
            partition: Key of the partition.
            columns: Columns to read; None: all.
            batch_rows: Rows of one batch at most.
            schema: The schema that the file must have; None: any.

        Raises:
            StagingError: There is no file, or another version of this program made it.
                The message names the asset to materialise.
        """
        path = self.existing(asset, partition, schema=schema)
        return _batches(path, None if columns is None else list(columns), batch_rows)


def _batches(
    path: Path, columns: list[str] | None, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=batch_rows, columns=columns)
