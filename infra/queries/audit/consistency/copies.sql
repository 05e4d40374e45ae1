-- Which trades were delivered in copies that disagree?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :tolerance_us duration, default 1s
-- Copies of a trade are normal; a trade has one price, one size and one taker all the same, and happened once (clocks of two services may
-- differ by tolerance_us). Where copies say different things one of them is not what happened: damage. Books and volumes may differ, and
-- decimals are compared as numbers (REST pads them). Of the rows as delivered, before the best copy is chosen.
SELECT
  'damage' AS severity,
  product_id,
  CAST(NULL AS VARCHAR) AS session,
  first_us,
  last_us,
  trade_id AS first_id,
  trade_id AS last_id,
  told AS amount,
  CAST(told AS VARCHAR) || ' copies of one trade disagree: '
  || CASE
    WHEN CAST(low_price AS DECIMAL(38, 18)) <> CAST(high_price AS DECIMAL(38, 18)) THEN 'price ' || low_price || ' or ' || high_price
    WHEN CAST(low_size AS DECIMAL(38, 18)) <> CAST(high_size AS DECIMAL(38, 18)) THEN 'size ' || low_size || ' or ' || high_size
    WHEN low_taker <> high_taker THEN 'taker ' || low_taker || ' or ' || high_taker
    ELSE 'times ' || CAST(CAST(CAST(last_us - first_us AS DOUBLE) / 1000000 AS DECIMAL(38, 3)) AS VARCHAR) || ' s apart'
  END AS what
FROM (
  SELECT
    product_id,
    trade_id,
    count(*) AS told,
    min(event_time_us) AS first_us,
    max(event_time_us) AS last_us,
    min(price) AS low_price,
    max(price) AS high_price,
    min(last_size) AS low_size,
    max(last_size) AS high_size,
    min(taker_side) AS low_taker,
    max(taker_side) AS high_taker
  FROM processed
  WHERE lake_kind IN ('ticker', 'trade', 'mixed')
    AND kind IN ('ticker', 'trade')
    AND trade_id IS NOT NULL
    AND (:product IS NULL OR product_id = :product)
    AND event_time_us >= :from_us AND event_time_us < :to_us
  GROUP BY product_id, trade_id
  HAVING count(*) > 1
) AS trades
WHERE CAST(low_price AS DECIMAL(38, 18)) <> CAST(high_price AS DECIMAL(38, 18))
  OR CAST(low_size AS DECIMAL(38, 18)) <> CAST(high_size AS DECIMAL(38, 18))
  OR low_taker <> high_taker
  OR last_us - first_us > :tolerance_us
