-- How late did each source's ticks reach us, all products together?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- One row per source, of which there are nine. Milliseconds from the exchange's clock to our socket, percentiles by nearest rank; both clocks'
-- errors are in it, and ahead_of_exchange counts ticks that seem to come before they happened.
SELECT
  source,
  count(*) AS ticks,
  CAST(min(IF(quickness * 100 >= ticks_of_source * 50, latency_us, NULL)) AS DOUBLE) / 1000 AS p50_ms,
  CAST(min(IF(quickness * 100 >= ticks_of_source * 90, latency_us, NULL)) AS DOUBLE) / 1000 AS p90_ms,
  CAST(min(IF(quickness * 100 >= ticks_of_source * 99, latency_us, NULL)) AS DOUBLE) / 1000 AS p99_ms,
  CAST(max(latency_us) AS DOUBLE) / 1000 AS max_ms,
  count(*) FILTER (WHERE latency_us < 0) AS ahead_of_exchange
FROM (
  SELECT
    source,
    latency_us,
    row_number() OVER (PARTITION BY source ORDER BY latency_us) AS quickness,
    count(*) OVER (PARTITION BY source) AS ticks_of_source
  FROM (
    SELECT source, receive_time_us - event_time_us AS latency_us
    FROM ticks
    WHERE kind = 'ticker'
      AND (:product IS NULL OR product_id = :product)
      AND event_time_us >= :from_us AND event_time_us < :to_us
  ) AS latencies
) AS ranked
GROUP BY source
ORDER BY ticks DESC, source
