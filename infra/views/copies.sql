-- Which copies of trades were delivered that history may not hold yet, with exact types?
-- One row per delivered row of a trade, copies and all. `uncompacted` is the table processed without what only compacted hours need
-- (infra/history/uncompacted.sql; at home local/lake/history.py). `fullness` counts the market fields that a copy has.
-- Timestamps have milliseconds in Athena and microseconds at home; event_time_us and receive_time_us are exact in both.
CREATE OR REPLACE VIEW copies AS
SELECT
  kind,
  product_id,
  TIMESTAMP '1970-01-01 00:00:00.000' + event_time_us / 1000 * INTERVAL '0.001' SECOND AS event_time,
  TIMESTAMP '1970-01-01 00:00:00.000' + receive_time_us / 1000 * INTERVAL '0.001' SECOND AS receive_time,
  event_time_us,
  receive_time_us,
  source,
  session,
  n,
  trade_id,
  sequence,
  CAST(price AS DECIMAL(38, 18)) AS price,
  CAST(last_size AS DECIMAL(38, 18)) AS last_size,
  taker_side,
  CAST(best_bid AS DECIMAL(38, 18)) AS best_bid,
  CAST(best_bid_size AS DECIMAL(38, 18)) AS best_bid_size,
  CAST(best_ask AS DECIMAL(38, 18)) AS best_ask,
  CAST(best_ask_size AS DECIMAL(38, 18)) AS best_ask_size,
  CAST(open_24h AS DECIMAL(38, 18)) AS open_24h,
  CAST(high_24h AS DECIMAL(38, 18)) AS high_24h,
  CAST(low_24h AS DECIMAL(38, 18)) AS low_24h,
  CAST(volume_24h AS DECIMAL(38, 18)) AS volume_24h,
  CAST(volume_30d AS DECIMAL(38, 18)) AS volume_30d,
  lake_kind,
  lake_hour,
  IF(sequence IS NULL, 0, 1) + IF(price IS NULL, 0, 1) + IF(last_size IS NULL, 0, 1) + IF(taker_side IS NULL, 0, 1)
  + IF(best_bid IS NULL, 0, 1) + IF(best_bid_size IS NULL, 0, 1) + IF(best_ask IS NULL, 0, 1) + IF(best_ask_size IS NULL, 0, 1)
  + IF(open_24h IS NULL, 0, 1) + IF(high_24h IS NULL, 0, 1) + IF(low_24h IS NULL, 0, 1)
  + IF(volume_24h IS NULL, 0, 1) + IF(volume_30d IS NULL, 0, 1) AS fullness
FROM uncompacted
WHERE lake_kind IN ('ticker', 'trade', 'mixed')
  AND kind IN ('ticker', 'trade')
  AND product_id IS NOT NULL
  AND trade_id IS NOT NULL
