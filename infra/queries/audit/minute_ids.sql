-- Which trade ids does the lake hold in each minute?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- What the comparison with Coinbase's candles asks beside prices and volumes (audit_lambda/candles.py): where the ids of a minute have no hole
-- and join on to those before and after, the lake has every trade that Coinbase numbered.
SELECT
  product_id,
  event_time_us - event_time_us % 60000000 AS start_us,
  count(*) AS trades,
  min(trade_id) AS first_id,
  max(trade_id) AS last_id
FROM ticks
WHERE (:product IS NULL OR product_id = :product)
  AND event_time_us >= :from_us AND event_time_us < :to_us
GROUP BY product_id, event_time_us - event_time_us % 60000000
ORDER BY product_id, event_time_us - event_time_us % 60000000
