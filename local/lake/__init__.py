"""A lake in a folder, under the keys that S3 would hold: opened, asked (DuckDB), compacted, replayed, redriven, priced."""
