-- How many trade ids were to be expected each day, and how many of them are missing?
-- :product text, default every product
-- :from_us instant, default the beginning (reads every hour)
-- :to_us instant, default the end
-- :now_us instant, default the end
-- :settle_us duration, default 20m
-- :lead_us duration, default 1d
-- Coinbase numbers a product's trades without holes, so an id between two that are there was a trade; it counts on the day of the next one
-- that is there. Missing is missing, whether a gap line names it or not; a hole after the last trade counts once a trade comes behind it.
SELECT
  date_format(TIMESTAMP '1970-01-01 00:00:00.000' + event_time_us / 1000 * INTERVAL '0.001' SECOND, '%Y-%m-%d') AS day,
  CAST(sum(IF(previous_id IS NULL, 1, trade_id - previous_id)) AS BIGINT) AS expected,
  CAST(sum(IF(previous_id IS NULL, 0, trade_id - previous_id - 1)) AS BIGINT) AS missing
FROM (
  SELECT product_id, trade_id, event_time_us, receive_time_us, lag(trade_id) OVER (PARTITION BY product_id ORDER BY trade_id, receive_time_us) AS previous_id
  FROM (
    SELECT product_id, trade_id, event_time_us, receive_time_us
    FROM processed
    WHERE lake_kind IN ('ticker', 'trade', 'mixed') AND kind IN ('ticker', 'trade')
      AND (:product IS NULL OR product_id = :product)
      AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - :lead_us - 3600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      AND event_time_us >= :from_us - :lead_us AND event_time_us < :to_us
    UNION ALL
    SELECT product_id, trade_id, event_time_us, receive_time_us
    FROM history
    WHERE generation IN (SELECT generation FROM compacted)
      AND (:product IS NULL OR product_id = :product)
      AND event_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - :lead_us - 3600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      AND event_time_us >= :from_us - :lead_us AND event_time_us < :to_us
  ) AS trades
) AS steps
WHERE (previous_id IS NULL OR trade_id > previous_id)
  AND event_time_us >= :from_us
  AND receive_time_us < :now_us - :settle_us
GROUP BY date_format(TIMESTAMP '1970-01-01 00:00:00.000' + event_time_us / 1000 * INTERVAL '0.001' SECOND, '%Y-%m-%d')
ORDER BY date_format(TIMESTAMP '1970-01-01 00:00:00.000' + event_time_us / 1000 * INTERVAL '0.001' SECOND, '%Y-%m-%d')
