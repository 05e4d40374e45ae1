-- Which seconds had the most trades?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :top count, default 10
-- Seconds of the exchange's clock, all products asked for together.
SELECT second, trades, products
FROM (
  SELECT *, row_number() OVER (ORDER BY trades DESC, second) AS place
  FROM (
    SELECT
      TIMESTAMP '1970-01-01 00:00:00.000' + (event_time_us - event_time_us % 1000000) / 1000 * INTERVAL '0.001' SECOND AS second,
      count(*) AS trades,
      count(DISTINCT product_id) AS products
    FROM ticks
    WHERE (:product IS NULL OR product_id = :product)
      AND event_time_us >= :from_us AND event_time_us < :to_us
    GROUP BY event_time_us - event_time_us % 1000000
  ) AS seconds
) AS places
WHERE place <= :top
ORDER BY place
