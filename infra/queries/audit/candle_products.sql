-- Of which products are there minutes to compare with Coinbase's candles, and how many?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- Minutes with trades, and those that a producer testified to having watched whole (candle_minutes.sql has them one by one).
SELECT product_id, count(DISTINCT start_us) AS minutes
FROM (
  SELECT product_id, event_time_us - event_time_us % 60000000 AS start_us
  FROM ticks
  WHERE (:product IS NULL OR product_id = :product)
    AND event_time_us >= :from_us AND event_time_us < :to_us
  UNION ALL
  SELECT product_id, minute_us
  FROM (
    SELECT product_id, date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000', minute) * 1000 AS minute_us
    FROM coverage
    WHERE whole AND (:product IS NULL OR product_id = :product)
  ) AS whole_minutes
  WHERE minute_us >= :from_us AND minute_us < :to_us
) AS minutes
WHERE product_id IS NOT NULL
GROUP BY product_id
ORDER BY product_id
