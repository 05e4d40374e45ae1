-- Which delivered rows count?
-- Every row of `delivered` (all objects under processed/), without those of objects that a replay replaced, or placed and never recorded. On
-- Athena a view, so that a replay's record, one object, swaps all of its rows at once; at home a table of the objects that count by the same
-- records (sql/replays.py).
CREATE OR REPLACE VIEW processed AS
SELECT
  d.kind,
  d.product_id,
  d.event_time_us,
  d.receive_time_us,
  d.source,
  d.session,
  d.n,
  d.trade_id,
  d.sequence,
  d.price,
  d.last_size,
  d.taker_side,
  d.best_bid,
  d.best_bid_size,
  d.best_ask,
  d.best_ask_size,
  d.open_24h,
  d.high_24h,
  d.low_24h,
  d.volume_24h,
  d.volume_30d,
  d.detail,
  d.lake_kind,
  d.lake_hour
FROM delivered AS d
LEFT JOIN (
  SELECT key, min(IF(counts, 1, 0)) AS counts
  FROM replays
  WHERE key IS NOT NULL
  GROUP BY key
) AS r ON r.key = substr(d."$path", strpos(d."$path", '/processed/') + 1)
WHERE coalesce(r.counts, IF(regexp_like(d."$path", '/replay-[0-9a-f]{16}-[0-9]+\.parquet$'), 0, 1)) = 1
