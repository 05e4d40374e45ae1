-- Which products move together?
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :interval_us duration, default 1m
-- Pearson's correlation of log returns, over intervals in which both products traded, and traded in the interval before.
WITH log_returns AS (
  SELECT product_id, start_us, ln(CAST(close AS DOUBLE) / CAST(previous_close AS DOUBLE)) AS log_return
  FROM (
    SELECT
      *,
      lag(close) OVER (PARTITION BY product_id ORDER BY start_us) AS previous_close,
      lag(start_us) OVER (PARTITION BY product_id ORDER BY start_us) AS previous_start_us
    FROM (
      SELECT product_id, event_time_us - event_time_us % :interval_us AS start_us, max_by(price, trade_id) AS close
      FROM ticks
      WHERE event_time_us >= :from_us AND event_time_us < :to_us
      GROUP BY product_id, event_time_us - event_time_us % :interval_us
    ) AS closes
  ) AS pairs
  WHERE start_us - previous_start_us = :interval_us
)
SELECT
  a.product_id AS product_id,
  b.product_id AS other_product_id,
  count(*) AS intervals,
  IF(stddev_samp(a.log_return) > 0 AND stddev_samp(b.log_return) > 0, corr(a.log_return, b.log_return), NULL) AS correlation
FROM log_returns AS a
JOIN log_returns AS b ON a.start_us = b.start_us AND a.product_id < b.product_id
GROUP BY a.product_id, b.product_id
ORDER BY a.product_id, b.product_id
