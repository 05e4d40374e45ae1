"""
Whether a lake is whole, asked of the lake itself: the same questions on Athena and at home.

Road order: findings (the nouns), checks (the files of infra/queries/audit), verdict, report, audit (asks and judges), then what looks
beside SQL: objects (is every object readable, did any vanish), candles (Coinbase's own); page (the report as HTML), metrics, notice, handler.
"""
