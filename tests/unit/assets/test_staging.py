"""The staged files: replaced whole, read in batches."""

from pathlib import Path

import pyarrow as pa
import pytest

from assets.staging import Staging, StagingError

SCHEMA = pa.schema([("order_id", pa.string()), ("line_no", pa.int64())])


def table(*order_ids: str) -> pa.Table:
    return pa.table(
        {"order_id": list(order_ids), "line_no": list(range(len(order_ids)))},
        schema=SCHEMA,
    )


def write(staging: Staging, *order_ids: str) -> None:
    with staging.writer("orders", "2026-01-02", SCHEMA) as writer:
        writer.write_table(table(*order_ids))


def write_half(staging: Staging) -> None:
    with staging.writer("orders", "2026-01-02", SCHEMA) as writer:
        writer.write_table(table("b"))
        raise RuntimeError


def read(staging: Staging) -> list[str]:
    batches = staging.read("orders", "2026-01-02", columns=["order_id"])
    return [row["order_id"] for batch in batches for row in batch.to_pylist()]


def test_a_file_lies_under_asset_and_partition(tmp_path: Path) -> None:
    path = Staging(tmp_path).path("orders", "2026-01-02")
    assert path == tmp_path / "orders" / "2026-01-02" / "rows.parquet"


def test_rows_are_replaced_not_appended(tmp_path: Path) -> None:
    staging = Staging(tmp_path)
    write(staging, "a", "b")
    write(staging, "c")
    assert read(staging) == ["c"]


def test_a_failed_write_leaves_the_earlier_file_and_nothing_else(
    tmp_path: Path,
) -> None:
    staging = Staging(tmp_path)
    write(staging, "a")
    with pytest.raises(RuntimeError):
        write_half(staging)
    assert read(staging) == ["a"]
    assert len(list(tmp_path.rglob("*.*"))) == 1


def test_a_file_without_rows_has_its_columns(tmp_path: Path) -> None:
    staging = Staging(tmp_path)
    with staging.writer("orders", "2026-01-02", SCHEMA):
        pass
    assert read(staging) == []


def test_batches_are_bounded(tmp_path: Path) -> None:
    staging = Staging(tmp_path)
    write(staging, *"abcde")
    batches = staging.read("orders", "2026-01-02", batch_rows=2)
    assert [len(batch) for batch in batches] == [2, 2, 1]


def test_a_missing_file_names_what_to_materialise(tmp_path: Path) -> None:
    with pytest.raises(
        StagingError, match="Materialise orders for partition 2026-01-02"
    ):
        Staging(tmp_path).read("orders", "2026-01-02")


def test_a_file_of_another_version_names_what_to_materialise(tmp_path: Path) -> None:
    staging = Staging(tmp_path)
    write(staging, "a")
    schema = next(staging.read("orders", "2026-01-02")).schema
    (batch,) = staging.read("orders", "2026-01-02", schema=schema)
    assert len(batch) == 1
    newer = schema.append(pa.field("more", pa.string()))
    with pytest.raises(
        StagingError,
        match=r"of another one\. Materialise orders for partition 2026-01-02 again",
    ):
        staging.read("orders", "2026-01-02", schema=newer)


@pytest.mark.parametrize("root", ["s3://bucket/x", Path("gs://bucket"), "file:///x"])
def test_a_root_that_is_no_local_folder_is_refused(root: str | Path) -> None:
    with pytest.raises(StagingError, match="expected a local folder"):
        Staging(root)
