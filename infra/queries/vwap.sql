-- What is each product's volume-weighted average price?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- Exact for prices of up to 10 decimals and sizes of up to 8, which is all that Coinbase quotes; rounded_trades counts the others, whose
-- price or size was rounded to that. vwap is notional over volume, rounded half up at 18 decimals.
SELECT
  product_id,
  count(*) AS trades,
  sum(size8) AS volume,
  sum(price10 * size8) AS notional,
  CAST(sum(price10 * size8) / nullif(sum(size8), 0) AS DECIMAL(38, 18)) AS vwap,
  count(*) FILTER (WHERE price10 <> price OR size8 <> last_size) AS rounded_trades
FROM (
  SELECT product_id, price, last_size, CAST(price AS DECIMAL(30, 10)) AS price10, CAST(last_size AS DECIMAL(28, 8)) AS size8
  FROM ticks
  WHERE (:product IS NULL OR product_id = :product)
    AND event_time_us >= :from_us AND event_time_us < :to_us
) AS factors
GROUP BY product_id
ORDER BY product_id
