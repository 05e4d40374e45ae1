-- Which trade ids does the lake hold, as ranges without a hole?
-- :product text, default every product
-- :from_us instant, default the beginning
-- One row per range of a product's trades that happened from the given time on. `from_time` and `until_time` are when the first and the last
-- of them happened, by the exchange's clock.
SELECT
  product_id,
  min(trade_id) AS first_trade_id,
  max(trade_id) AS last_trade_id,
  count(*) AS trades,
  min(event_time) AS from_time,
  max(event_time) AS until_time
FROM (
  SELECT product_id, trade_id, event_time, trade_id - row_number() OVER (PARTITION BY product_id ORDER BY trade_id) AS range_number
  FROM ticks
  WHERE (:product IS NULL OR product_id = :product)
    AND event_time_us >= :from_us
) AS numbered
GROUP BY product_id, range_number
ORDER BY product_id, first_trade_id
