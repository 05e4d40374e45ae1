-- How did each product's price move, in few enough points to draw?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :points count, default 240
-- :points_in_all count, default 24000
-- :grain_us duration, default 5s
-- One row per product, whatever the span: at most :points points each, fewer where :points_in_all are shared by many products. Point k is the
-- interval of width_us that begins k * width_us after start_us; one without a trade is left out. The four lists have as many members as `points`
-- says, separated by commas, and prices are exact.
WITH grains AS (
  SELECT
    product_id,
    event_time_us - event_time_us % :grain_us AS grain_start_us,
    min(price) AS low,
    max(price) AS high,
    max(trade_id) AS last_id,
    max_by(price, trade_id) AS close
  FROM ticks
  WHERE (:product IS NULL OR product_id = :product)
    AND event_time_us >= :from_us AND event_time_us < :to_us
    AND price IS NOT NULL
  GROUP BY product_id, event_time_us - event_time_us % :grain_us
),
numbered AS (
  SELECT *, row_number() OVER (PARTITION BY product_id ORDER BY grain_start_us) AS grain_number
  FROM grains
),
spans AS (
  SELECT
    *,
    min(grain_start_us) OVER () AS start_us,
    max(grain_start_us) OVER () + :grain_us AS end_us,
    CAST(sum(IF(grain_number = 1, 1, 0)) OVER () AS BIGINT) AS products
  FROM numbered
),
widths AS (
  SELECT
    *,
    :grain_us * greatest(1, CAST(ceil(
      CAST(end_us - start_us AS DOUBLE) / :grain_us
      / greatest(2, least(:points, CAST(floor(CAST(:points_in_all AS DOUBLE) / products) AS BIGINT)))
    ) AS BIGINT)) AS width_us
  FROM spans
),
points AS (
  SELECT
    product_id, start_us, width_us, point,
    regexp_replace(CAST(min(low) AS VARCHAR), '\.?0+$', '') AS low,
    regexp_replace(CAST(max(high) AS VARCHAR), '\.?0+$', '') AS high,
    regexp_replace(CAST(max_by(close, last_id) AS VARCHAR), '\.?0+$', '') AS close
  FROM (
    SELECT *, CAST(floor(CAST(grain_start_us - start_us AS DOUBLE) / width_us) AS BIGINT) AS point
    FROM widths
  ) AS placed
  GROUP BY product_id, start_us, width_us, point
)
SELECT
  product_id,
  start_us,
  width_us,
  count(*) AS points,
  array_join(array_agg(CAST(point AS VARCHAR) ORDER BY point), ',') AS places,
  array_join(array_agg(low ORDER BY point), ',') AS lows,
  array_join(array_agg(high ORDER BY point), ',') AS highs,
  array_join(array_agg(close ORDER BY point), ',') AS closes
FROM points
GROUP BY product_id, start_us, width_us
ORDER BY product_id
