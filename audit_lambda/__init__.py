"""
Whether a lake is whole, asked of the lake itself: the same questions on Athena and at home.

Road order: findings (the nouns), checks (the files of infra/queries/audit), verdict, report, audit (asks and judges); beside SQL objects with
bucket (is every object readable, did any vanish) and candle_compare, candle_fetch, candles (Coinbase's own); words, page_data, page (the
report as HTML). As a Lambda: settings, spans, patience, stock, shelf, metrics, notice, handler.
"""
