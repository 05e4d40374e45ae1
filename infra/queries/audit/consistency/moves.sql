-- Which prices moved far within an interval, with many trades?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :interval_us duration, default 1m
-- :least_share number, default 0.02
-- :mads number, default 10
-- :least_trades count, default 5
-- A crash is a move and no error: nothing is wrong with it, so it is a notice. Far is further from the close of the interval before (from its
-- own open where that interval has no trade) than ln(1 + least_share) and `mads` median absolute deviations of the product's log returns
-- from close to close over the span (those that are not zero, by nearest rank). It is a move if least_trades of its trades were as far as
-- that: fewer that come straight back are a spike (see spikes).
WITH trades AS (
  SELECT
    product_id, trade_id, min(event_time_us) AS event_time_us, min(price) AS price, min(last_size) AS last_size,
    ln(CAST(min(price) AS DOUBLE)) AS level, min(event_time_us) - min(event_time_us) % :interval_us AS start_us
  FROM processed
  WHERE lake_kind IN ('ticker', 'trade', 'mixed') AND kind IN ('ticker', 'trade') AND trade_id IS NOT NULL
    AND (:product IS NULL OR product_id = :product)
    AND event_time_us >= :from_us AND event_time_us < :to_us
    AND CAST(price AS DOUBLE) > 0
  GROUP BY product_id, trade_id
), intervals AS (
  SELECT
    product_id, start_us, low, high, close_level,
    IF(start_us - previous_start_us = :interval_us, previous_close, open_price) AS base_price,
    IF(start_us - previous_start_us = :interval_us, previous_close_level, open_level) AS base,
    IF(start_us - previous_start_us = :interval_us, close_level - previous_close_level, NULL) AS log_return
  FROM (
    SELECT
      *,
      lag(start_us) OVER (PARTITION BY product_id ORDER BY start_us) AS previous_start_us,
      lag(close_price) OVER (PARTITION BY product_id ORDER BY start_us) AS previous_close,
      lag(close_level) OVER (PARTITION BY product_id ORDER BY start_us) AS previous_close_level
    FROM (
      SELECT
        product_id, start_us,
        min_by(price, trade_id) AS open_price, min_by(level, trade_id) AS open_level,
        max_by(price, trade_id) AS close_price, max_by(level, trade_id) AS close_level,
        min(level) AS low, max(level) AS high
      FROM trades
      GROUP BY product_id, start_us
    ) AS closes
  ) AS pairs
), deviations AS (
  SELECT product_id, min(IF(place * 2 >= returns_of_product, deviation, NULL)) AS mad
  FROM (
    SELECT
      product_id, deviation,
      row_number() OVER (PARTITION BY product_id ORDER BY deviation) AS place,
      count(*) OVER (PARTITION BY product_id) AS returns_of_product
    FROM (
      SELECT
        product_id,
        abs(log_return - min(IF(place * 2 >= returns_of_product, log_return, NULL)) OVER (PARTITION BY product_id)) AS deviation
      FROM (
        SELECT
          product_id, log_return,
          row_number() OVER (PARTITION BY product_id ORDER BY log_return) AS place,
          count(*) OVER (PARTITION BY product_id) AS returns_of_product
        FROM intervals
        WHERE log_return <> 0
      ) AS ranked_returns
    ) AS from_the_median
  ) AS ranked_deviations
  GROUP BY product_id
), far AS (
  SELECT
    i.product_id, i.start_us, i.base, i.base_price,
    greatest(ln(1 + CAST(:least_share AS DOUBLE)), coalesce(d.mad, 0) * CAST(:mads AS DOUBLE)) AS threshold
  FROM intervals AS i
  LEFT JOIN deviations AS d ON d.product_id = i.product_id
  WHERE greatest(i.high - i.base, i.base - i.low) > greatest(ln(1 + CAST(:least_share AS DOUBLE)), coalesce(d.mad, 0) * CAST(:mads AS DOUBLE))
)
SELECT
  'notice' AS severity,
  product_id,
  CAST(NULL AS VARCHAR) AS session,
  min(event_time_us) AS first_us,
  max(event_time_us) AS last_us,
  min(trade_id) AS first_id,
  max(trade_id) AS last_id,
  count(*) AS amount,
  'a move from ' || max(base_price) || ' to '
  || max_by(price, abs(away)) || ' ('
  || CAST(CAST((exp(max_by(away, abs(away))) - 1) * 100 AS DECIMAL(38, 2)) AS VARCHAR) || ' %) with '
  || CAST(count(*) AS VARCHAR) || ' trades of ' || regexp_replace(CAST(sum(CAST(last_size AS DECIMAL(38, 18))) AS VARCHAR), '\.?0+$', '')
  || ' in all beyond the threshold' AS what
FROM (
  SELECT t.*, f.base_price, f.threshold, t.level - f.base AS away
  FROM trades AS t
  INNER JOIN far AS f ON f.product_id = t.product_id AND f.start_us = t.start_us
) AS aways
WHERE abs(away) > threshold
GROUP BY product_id, start_us, away > 0
HAVING count(*) >= :least_trades
