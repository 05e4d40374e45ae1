-- Which minutes without trades were quiet, which was the market halted in, and which did nobody watch?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :now_us instant, default the end
-- :settle_us duration, default 20m
-- :halted_us duration, default 5m
-- :halted_trades count, default 20
-- By the coverage lines, per product and minute, of all producers together. Not watched (a warning): no producer has a line for the minute, between
-- two that have. Halted (a notice): watched whole, with heartbeats and without a trade, for halted_us or longer, in which the product's mean pace would
-- have given halted_trades or more. The other watched minutes without a trade are quiet: one notice per product says how many.
WITH minutes AS (
  SELECT
    product_id,
    date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000', minute) * 1000 AS minute_us,
    max(ticks) AS ticks,
    max(IF(whole, 1, 0)) AS is_whole,
    max(heartbeats) AS heartbeats
  FROM coverage
  WHERE (:product IS NULL OR product_id = :product)
    AND receive_time_us < :now_us - :settle_us
  GROUP BY product_id, minute
),
paced AS (
  SELECT
    *,
    sum(ticks) OVER (PARTITION BY product_id) AS all_ticks,
    count(*) OVER (PARTITION BY product_id) AS all_minutes,
    lag(minute_us) OVER (PARTITION BY product_id ORDER BY minute_us) AS previous_us,
    IF(ticks = 0 AND is_whole = 1 AND heartbeats > 0, 1, 0) AS is_still
  FROM minutes
  WHERE minute_us >= :from_us AND minute_us < :to_us
),
runs AS (
  SELECT
    *,
    sum(IF(is_still = 1 AND minute_us - previous_us = 60000000, 0, 1)) OVER (PARTITION BY product_id ORDER BY minute_us ROWS UNBOUNDED PRECEDING) AS run
  FROM paced
),
stills AS (
  SELECT
    product_id, run, all_ticks, all_minutes,
    min(IF(is_still = 1, minute_us, NULL)) AS first_us,
    max(IF(is_still = 1, minute_us, NULL)) AS last_us,
    min(IF(ticks = 0, minute_us, NULL)) AS first_empty_us,
    max(IF(ticks = 0, minute_us, NULL)) AS last_empty_us,
    sum(is_still) AS still,
    sum(IF(ticks = 0, 1, 0)) AS empty
  FROM runs
  GROUP BY product_id, run, all_ticks, all_minutes
),
judged AS (
  SELECT
    *,
    still > 0 AND still * 60000000 >= :halted_us AND still * all_ticks >= :halted_trades * all_minutes AS is_halted
  FROM stills
)
SELECT
  'warning' AS severity, product_id, CAST(NULL AS VARCHAR) AS session,
  previous_us + 60000000 AS first_us, minute_us - 1 AS last_us,
  CAST(NULL AS BIGINT) AS first_id, CAST(NULL AS BIGINT) AS last_id,
  CAST(CAST(minute_us - previous_us AS DOUBLE) / 60000000 AS BIGINT) - 1 AS amount,
  'minutes that nobody watched' AS what
FROM paced
WHERE minute_us - previous_us > 60000000
UNION ALL
SELECT
  'notice', product_id, CAST(NULL AS VARCHAR), first_us, last_us + 59999999, CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), CAST(still AS BIGINT),
  'minutes halted: watched whole, with heartbeats, and without a trade'
FROM judged
WHERE is_halted
UNION ALL
SELECT
  'notice', product_id, CAST(NULL AS VARCHAR), min(first_empty_us), max(last_empty_us) + 59999999, CAST(NULL AS BIGINT), CAST(NULL AS BIGINT),
  CAST(sum(IF(is_halted, empty - still, empty)) AS BIGINT),
  'minutes quiet: watched, and without a trade'
FROM judged
GROUP BY product_id
HAVING sum(IF(is_halted, empty - still, empty)) > 0
