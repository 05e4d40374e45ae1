-- Did polled sources answer at the expected interval?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :now_us instant, default the end
-- :settle_us duration, default 20m
-- :spot_every_us duration, default 5m
-- :late_share number, default 1.5
-- :polled_us duration, default 45s
-- Two sources are polled. Spot prices: two rows of a product and session further apart than late_share times spot_every_us are a warning, with how many
-- are missing between them. REST tickers, while the websocket is down: they give a row for a new trade only, so the coverage line is asked: a
-- minute in which REST watched, between two that were watched, with less than polled_us watched in all, is a warning.
WITH spots AS (
  SELECT
    product_id, session, n, receive_time_us,
    lag(receive_time_us) OVER (PARTITION BY product_id, session ORDER BY n) AS previous_us,
    lag(n) OVER (PARTITION BY product_id, session ORDER BY n) AS previous_n
  FROM processed
  WHERE lake_kind IN ('spot', 'mixed') AND kind = 'spot'
    AND (:product IS NULL OR product_id = :product)
    AND receive_time_us < :now_us - :settle_us
),
polled AS (
  SELECT
    product_id, session, n, minute_us,
    coalesce(TRY_CAST(json_extract_scalar(watched_ms, '$.exchange_rest') AS BIGINT), 0)
    + coalesce(TRY_CAST(json_extract_scalar(watched_ms, '$.advanced_rest') AS BIGINT), 0) AS rest_ms,
    coalesce(TRY_CAST(json_extract_scalar(watched_ms, '$.exchange_rest') AS BIGINT), 0)
    + coalesce(TRY_CAST(json_extract_scalar(watched_ms, '$.advanced_rest') AS BIGINT), 0)
    + coalesce(TRY_CAST(json_extract_scalar(watched_ms, '$.exchange_ws') AS BIGINT), 0)
    + coalesce(TRY_CAST(json_extract_scalar(watched_ms, '$.advanced_ws') AS BIGINT), 0) AS all_ms,
    lag(minute_us) OVER (PARTITION BY product_id, session ORDER BY minute_us) AS previous_us,
    lead(minute_us) OVER (PARTITION BY product_id, session ORDER BY minute_us) AS next_us
  FROM (
    SELECT *, date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000', minute) * 1000 AS minute_us
    FROM coverage
    WHERE (:product IS NULL OR product_id = :product)
      AND receive_time_us < :now_us - :settle_us
  ) AS minutes
)
SELECT
  'warning' AS severity,
  product_id,
  session,
  previous_us AS first_us,
  receive_time_us AS last_us,
  previous_n AS first_id,
  n AS last_id,
  CAST(ceil(CAST(receive_time_us - previous_us AS DOUBLE) / :spot_every_us) AS BIGINT) - 1 AS amount,
  'spot prices missing between these two lines' AS what
FROM spots
WHERE receive_time_us - previous_us > :late_share * :spot_every_us
  AND receive_time_us >= :from_us AND receive_time_us < :to_us
UNION ALL
SELECT
  'warning', product_id, session, minute_us, minute_us + 59999999, n, n, 60000 - all_ms,
  'milliseconds not watched in a minute that REST was polled in'
FROM polled
WHERE rest_ms > 0 AND all_ms * 1000 < :polled_us
  AND minute_us - previous_us = 60000000 AND next_us - minute_us = 60000000
  AND minute_us >= :from_us AND minute_us < :to_us
