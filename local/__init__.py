"""The laptop's AWS and Coinbase: the delivery engine, the small Athena, the simulated exchange, a lake in a folder asked with DuckDB."""
