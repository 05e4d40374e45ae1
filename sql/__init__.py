"""
The lake's questions as SQL for either engine: Athena's dialect read, its tables and views known, values bound, hours bounded.

Road order: dialect, glue, hours, views, questions. Nothing here reads a lake: DuckDB is asked by `lake`, Athena through its own client.
"""
