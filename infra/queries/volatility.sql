-- How volatile was each product?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :interval_us duration, default 1m
-- Realised volatility is the square root of the sum of squared log returns, close to close, of intervals that have trades. Annualised: the
-- same per square root of the time between the first and last close, times that of a year of 365 days. Doubles.
SELECT
  product_id,
  count(*) AS returns,
  sqrt(sum(log_return * log_return)) AS realised_volatility,
  sqrt(sum(log_return * log_return) / CAST(sum(start_us - previous_start_us) AS DOUBLE) * 31536000000000.0E0) AS annualised_volatility,
  stddev_samp(log_return) AS stddev_of_returns,
  min(log_return) AS worst_log_return,
  max(log_return) AS best_log_return
FROM (
  SELECT product_id, start_us, previous_start_us, ln(CAST(close AS DOUBLE) / CAST(previous_close AS DOUBLE)) AS log_return
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
) AS log_returns
GROUP BY product_id
ORDER BY product_id
