"""
A small Athena at home: its real JSON protocol over a lake's folder, asked by DuckDB; for tests and for trying out, never for a network.

Road order: guesses, errors, tables, values, statements, engine, executions, catalog, named, service, server, hosting. Tables are Glue's, as the
template declares them, over every object whose key fits; views are those that were created here, as over there. docs/athena.md says what is
guessed; two guesses matter to whoever writes: INSERT puts objects under Hive's own path (`history/coinbase/event_hour=2026%2F11%2F23%2F02/…`), where
the projected table does not look, and does not keep the ORDER BY of its SELECT.
"""
