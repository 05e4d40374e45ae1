"""
Hourly compaction in AWS: closed hours of `processed` into the table `history`, by Athena, under the rules of sql/history.py.

Road order: settings, tables, bucket, contents, plans, hour, patience, run, metrics, handler. At home local/lake/compact.py does the same to a folder with DuckDB.
"""
