-- How wide is each product's spread between best bid and best ask?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- Over ticks, not over time. Percentiles are by nearest rank, so each is a spread that occurred; _bps are hundredths of a percent of
-- the middle price, as doubles.
SELECT
  product_id,
  count(*) AS ticks,
  min(spread) AS min_spread,
  min(IF(narrowness * 100 >= ticks_of_product * 50, spread, NULL)) AS p50_spread,
  min(IF(narrowness * 100 >= ticks_of_product * 90, spread, NULL)) AS p90_spread,
  min(IF(narrowness * 100 >= ticks_of_product * 99, spread, NULL)) AS p99_spread,
  max(spread) AS max_spread,
  avg(spread_bps) AS mean_spread_bps,
  max(spread_bps) AS max_spread_bps
FROM (
  SELECT
    product_id,
    spread,
    CAST(spread AS DOUBLE) / CAST(middle AS DOUBLE) * 10000 AS spread_bps,
    row_number() OVER (PARTITION BY product_id ORDER BY spread) AS narrowness,
    count(*) OVER (PARTITION BY product_id) AS ticks_of_product
  FROM (
    SELECT product_id, best_ask - best_bid AS spread, CAST(best_ask AS DOUBLE) / 2 + CAST(best_bid AS DOUBLE) / 2 AS middle
    FROM ticks
    WHERE (:product IS NULL OR product_id = :product)
      AND event_time_us >= :from_us AND event_time_us < :to_us
      AND best_bid > 0 AND best_ask > 0
  ) AS books
) AS ranked
GROUP BY product_id
ORDER BY product_id
