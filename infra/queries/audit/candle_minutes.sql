-- What do our ticks make of each minute: price, volume and trade ids, and did somebody testify to having watched all of it?
-- :product text, default every product
-- :first_product text, default every one
-- :last_product text, default every one
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- What the comparison with Coinbase's candles asks (audit_lambda/candles.py), some products at a time: those whose names lie from first_product to
-- last_product. Minutes with trades, and those without that a producer testified to having watched whole. Where the ids of a minute have no hole and
-- join on to those before and after, the lake has every trade that Coinbase numbered. Open and close are those of the lowest and highest trade id.
SELECT
  product_id,
  start_us,
  max(open_price) AS open_price,
  max(high_price) AS high_price,
  max(low_price) AS low_price,
  max(close_price) AS close_price,
  max(volume) AS volume,
  max(trades) AS trades,
  max(first_id) AS first_id,
  max(last_id) AS last_id,
  max(watched) AS watched
FROM (
  SELECT
    product_id,
    event_time_us - event_time_us % 60000000 AS start_us,
    min_by(price, trade_id) AS open_price,
    max(price) AS high_price,
    min(price) AS low_price,
    max_by(price, trade_id) AS close_price,
    sum(last_size) AS volume,
    count(*) AS trades,
    min(trade_id) AS first_id,
    max(trade_id) AS last_id,
    0 AS watched
  FROM ticks
  WHERE (:product IS NULL OR product_id = :product)
    AND (:first_product IS NULL OR product_id >= :first_product)
    AND (:last_product IS NULL OR product_id <= :last_product)
    AND event_time_us >= :from_us AND event_time_us < :to_us
  GROUP BY product_id, event_time_us - event_time_us % 60000000
  UNION ALL
  SELECT
    product_id,
    minute_us,
    CAST(NULL AS DECIMAL(38, 18)), CAST(NULL AS DECIMAL(38, 18)), CAST(NULL AS DECIMAL(38, 18)), CAST(NULL AS DECIMAL(38, 18)),
    CAST(NULL AS DECIMAL(38, 18)), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT),
    1
  FROM (
    SELECT product_id, date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000', minute) * 1000 AS minute_us
    FROM coverage
    WHERE whole
      AND (:product IS NULL OR product_id = :product)
      AND (:first_product IS NULL OR product_id >= :first_product)
      AND (:last_product IS NULL OR product_id <= :last_product)
  ) AS whole_minutes
  WHERE minute_us >= :from_us AND minute_us < :to_us
) AS facts
GROUP BY product_id, start_us
ORDER BY product_id, start_us
