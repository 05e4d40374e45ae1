-- What are the open, high, low, close, volume and VWAP of each interval?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :interval_us duration, default 1m
-- Intervals are counted from 1970-01-01T00:00:00Z; one without a trade has no row. Open and close are those of the lowest and highest
-- trade id. Exactness as in vwap.sql: rounded_trades counts trades whose price or size has more decimals than the VWAP's factors.
SELECT
  product_id,
  TIMESTAMP '1970-01-01 00:00:00.000' + start_us / 1000 * INTERVAL '0.001' SECOND AS interval_start,
  min_by(price, trade_id) AS open,
  max(price) AS high,
  min(price) AS low,
  max_by(price, trade_id) AS close,
  sum(last_size) AS volume,
  count(*) AS trades,
  CAST(sum(price10 * size8) / nullif(sum(size8), 0) AS DECIMAL(38, 18)) AS vwap,
  count(*) FILTER (WHERE price10 <> price OR size8 <> last_size) AS rounded_trades
FROM (
  SELECT
    product_id, trade_id, price, last_size,
    CAST(price AS DECIMAL(30, 10)) AS price10,
    CAST(last_size AS DECIMAL(28, 8)) AS size8,
    event_time_us - event_time_us % :interval_us AS start_us
  FROM ticks
  WHERE (:product IS NULL OR product_id = :product)
    AND event_time_us >= :from_us AND event_time_us < :to_us
) AS factors
GROUP BY product_id, start_us
ORDER BY product_id, start_us
