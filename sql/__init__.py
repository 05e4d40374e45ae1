"""
The lake's questions as SQL for either engine: Athena's dialect read, its tables and views known, values bound, hours bounded.

Road order: dialect, glue, hours, views, questions, compaction, history, catalog; prices, engine, athena. Only athena talks to anything: to Athena, for
whoever asks there; a lake in a folder is asked by `local/lake`, with DuckDB.
"""
