-- How much did takers buy, and how much did they sell?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- Ticks without a taker's side (from the REST ticker) have a row of their own. Exactness as in vwap.sql.
SELECT
  product_id,
  taker_side,
  count(*) AS trades,
  sum(size8) AS volume,
  sum(price10 * size8) AS notional,
  count(*) FILTER (WHERE price10 <> price OR size8 <> last_size) AS rounded_trades
FROM (
  SELECT
    product_id, taker_side, price, last_size,
    CAST(price AS DECIMAL(30, 10)) AS price10,
    CAST(last_size AS DECIMAL(28, 8)) AS size8
  FROM ticks
  WHERE (:product IS NULL OR product_id = :product)
    AND event_time_us >= :from_us AND event_time_us < :to_us
) AS factors
GROUP BY product_id, taker_side
ORDER BY product_id, taker_side
