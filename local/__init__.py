"""The laptop's AWS and Coinbase: the delivery engine, the simulated exchange, DuckDB."""
