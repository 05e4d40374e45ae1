-- Which trades jumped away in price and came straight back?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :least_share number, default 0.005
-- :mads number, default 30
-- :back_share number, default 0.25
-- A jump is a step of ln(price) from one trade to the next of more than `mads` times the product's median absolute deviation over the span,
-- and of more than ln(1 + least_share). The deviation is that of the steps that are not zero (most are), medians by nearest rank. It came
-- back if one of the next three trades is within back_share of the jump of where it began. What jumps and stays is a move (see moves).
WITH steps AS (
  SELECT
    product_id, trade_id, event_time_us, price, previous_price, level - previous_level AS step,
    CASE
      WHEN abs(level_1 - previous_level) <= abs(level - previous_level) * CAST(:back_share AS DOUBLE) THEN 1
      WHEN abs(level_2 - previous_level) <= abs(level - previous_level) * CAST(:back_share AS DOUBLE) THEN 2
      WHEN abs(level_3 - previous_level) <= abs(level - previous_level) * CAST(:back_share AS DOUBLE) THEN 3
    END AS away
  FROM (
    SELECT
      product_id, trade_id, event_time_us, price, level,
      lag(price) OVER (PARTITION BY product_id ORDER BY trade_id) AS previous_price,
      lag(level) OVER (PARTITION BY product_id ORDER BY trade_id) AS previous_level,
      lead(level, 1) OVER (PARTITION BY product_id ORDER BY trade_id) AS level_1,
      lead(level, 2) OVER (PARTITION BY product_id ORDER BY trade_id) AS level_2,
      lead(level, 3) OVER (PARTITION BY product_id ORDER BY trade_id) AS level_3
    FROM (
      SELECT product_id, trade_id, min(event_time_us) AS event_time_us, min(price) AS price, ln(CAST(min(price) AS DOUBLE)) AS level
      FROM processed
      WHERE lake_kind IN ('ticker', 'trade', 'mixed') AND kind IN ('ticker', 'trade') AND trade_id IS NOT NULL
        AND (:product IS NULL OR product_id = :product)
        AND event_time_us >= :from_us AND event_time_us < :to_us
        AND CAST(price AS DOUBLE) > 0
      GROUP BY product_id, trade_id
    ) AS levels
  ) AS neighbours
  WHERE level <> previous_level
), deviations AS (
  SELECT product_id, min(IF(place * 2 >= steps_of_product, deviation, NULL)) AS mad
  FROM (
    SELECT
      product_id, deviation,
      row_number() OVER (PARTITION BY product_id ORDER BY deviation) AS place,
      count(*) OVER (PARTITION BY product_id) AS steps_of_product
    FROM (
      SELECT
        product_id,
        abs(step - min(IF(place * 2 >= steps_of_product, step, NULL)) OVER (PARTITION BY product_id)) AS deviation
      FROM (
        SELECT
          product_id, step,
          row_number() OVER (PARTITION BY product_id ORDER BY step) AS place,
          count(*) OVER (PARTITION BY product_id) AS steps_of_product
        FROM steps
      ) AS ranked_steps
    ) AS from_the_median
  ) AS ranked_deviations
  GROUP BY product_id
)
SELECT
  'warning' AS severity,
  s.product_id,
  CAST(NULL AS VARCHAR) AS session,
  s.event_time_us AS first_us,
  s.event_time_us AS last_us,
  s.trade_id AS first_id,
  s.trade_id + s.away - 1 AS last_id,
  CAST(s.away AS BIGINT) AS amount,
  'price went from ' || s.previous_price || ' to '
  || s.price || ' ('
  || CAST(CAST((exp(s.step) - 1) * 100 AS DECIMAL(38, 2)) AS VARCHAR) || ' %, '
  || coalesce(CAST(CAST(abs(s.step) / nullif(d.mad, 0) AS DECIMAL(38, 0)) AS VARCHAR), 'infinitely many')
  || ' median deviations) and came back after ' || CAST(s.away AS VARCHAR) || IF(s.away = 1, ' trade', ' trades') AS what
FROM steps AS s
INNER JOIN deviations AS d ON d.product_id = s.product_id
WHERE s.away IS NOT NULL
  AND abs(s.step) > ln(1 + CAST(:least_share AS DOUBLE))
  AND abs(s.step) > d.mad * CAST(:mads AS DOUBLE)
