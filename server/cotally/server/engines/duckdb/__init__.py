"""DuckDB inside the node: snapshots of CSV and Parquet files, measured behind a lock."""
