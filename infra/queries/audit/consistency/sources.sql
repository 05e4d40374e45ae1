-- Where do two sources give one product different prices in the same minute?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :least_share number, default 0.01
-- Per product and minute, the range of prices that each source told. Ranges that overlap agree; where the gap between the lowest and the
-- highest of them is more than least_share of the price, two sources disagree. A spot price names no time and counts when it was received.
-- Of the rows as delivered, copies and all.
SELECT
  'warning' AS severity,
  product_id,
  CAST(NULL AS VARCHAR) AS session,
  min(first_us) AS first_us,
  max(last_us) AS last_us,
  min(first_id) AS first_id,
  max(last_id) AS last_id,
  sum(told) AS amount,
  'in one minute ' || min_by(source, high) || ' says at most ' || regexp_replace(CAST(min(high) AS VARCHAR), '\.?0+$', '') || ' and '
  || max_by(source, low) || ' at least ' || regexp_replace(CAST(max(low) AS VARCHAR), '\.?0+$', '') || ' ('
  || CAST(CAST(CAST(max(low) - min(high) AS DOUBLE) / CAST(min(high) AS DOUBLE) * 100 AS DECIMAL(38, 2)) AS VARCHAR) || ' % apart)' AS what
FROM (
  SELECT
    product_id,
    source,
    told_us - told_us % 60000000 AS minute_us,
    count(*) AS told,
    min(told_us) AS first_us,
    max(told_us) AS last_us,
    min(trade_id) AS first_id,
    max(trade_id) AS last_id,
    min(price) AS low,
    max(price) AS high
  FROM (
    SELECT
      product_id, source, trade_id, CAST(price AS DECIMAL(38, 18)) AS price,
      IF(kind = 'spot', receive_time_us, event_time_us) AS told_us
    FROM processed
    WHERE lake_kind IN ('ticker', 'trade', 'spot', 'mixed')
      AND kind IN ('ticker', 'trade', 'spot')
      AND (:product IS NULL OR product_id = :product)
  ) AS prices
  WHERE told_us >= :from_us AND told_us < :to_us AND price > 0
  GROUP BY product_id, source, told_us - told_us % 60000000
) AS ranges
GROUP BY product_id, minute_us
HAVING count(*) > 1
  AND CAST(max(low) - min(high) AS DOUBLE) > CAST(min(high) AS DOUBLE) * CAST(:least_share AS DOUBLE)
