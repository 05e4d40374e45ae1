-- What did each product return from interval to interval?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :interval_us duration, default 1m
-- From close to close, over intervals that have trades: intervals_since says how many intervals lie between the two closes (1 is the next).
SELECT
  product_id,
  TIMESTAMP '1970-01-01 00:00:00.000' + start_us / 1000 * INTERVAL '0.001' SECOND AS interval_start,
  previous_close,
  close,
  CAST(CAST(start_us - previous_start_us AS DOUBLE) / :interval_us AS BIGINT) AS intervals_since,
  CAST(close AS DOUBLE) / CAST(previous_close AS DOUBLE) - 1 AS simple_return,
  ln(CAST(close AS DOUBLE) / CAST(previous_close AS DOUBLE)) AS log_return
FROM (
  SELECT
    *,
    lag(close) OVER (PARTITION BY product_id ORDER BY start_us) AS previous_close,
    lag(start_us) OVER (PARTITION BY product_id ORDER BY start_us) AS previous_start_us
  FROM (
    SELECT product_id, event_time_us - event_time_us % :interval_us AS start_us, max_by(price, trade_id) AS close
    FROM ticks
    WHERE (:product IS NULL OR product_id = :product)
      AND event_time_us >= :from_us AND event_time_us < :to_us
    GROUP BY product_id, event_time_us - event_time_us % :interval_us
  ) AS closes
) AS pairs
WHERE previous_close IS NOT NULL
ORDER BY product_id, start_us
