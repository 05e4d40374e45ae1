-- How long does a trade take from the exchange's clock to our socket?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- By source, in milliseconds, percentiles by nearest rank. Both clocks' errors are in it: ahead_of_exchange counts ticks that seem to
-- arrive before they happened. The last ticker that Coinbase sends anew on every subscribe counts at its age, which max_ms shows.
SELECT
  source,
  product_id,
  count(*) AS ticks,
  CAST(min(IF(quickness * 100 >= ticks_of_group * 50, latency_us, NULL)) AS DOUBLE) / 1000 AS p50_ms,
  CAST(min(IF(quickness * 100 >= ticks_of_group * 90, latency_us, NULL)) AS DOUBLE) / 1000 AS p90_ms,
  CAST(min(IF(quickness * 100 >= ticks_of_group * 99, latency_us, NULL)) AS DOUBLE) / 1000 AS p99_ms,
  CAST(max(latency_us) AS DOUBLE) / 1000 AS max_ms,
  count(*) FILTER (WHERE latency_us < 0) AS ahead_of_exchange
FROM (
  SELECT
    source,
    product_id,
    latency_us,
    row_number() OVER (PARTITION BY source, product_id ORDER BY latency_us) AS quickness,
    count(*) OVER (PARTITION BY source, product_id) AS ticks_of_group
  FROM (
    SELECT source, product_id, receive_time_us - event_time_us AS latency_us
    FROM ticks
    WHERE kind = 'ticker'
      AND (:product IS NULL OR product_id = :product)
      AND event_time_us >= :from_us AND event_time_us < :to_us
  ) AS latencies
) AS ranked
GROUP BY source, product_id
ORDER BY source, product_id
