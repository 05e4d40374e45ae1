-- Did polled sources answer at the expected interval?
-- :product text, default every product
-- :from_us instant, default the beginning (reads every hour)
-- :to_us instant, default the end
-- :now_us instant, default the end
-- :settle_us duration, default 20m
-- :spot_every_us duration, default 5m
-- :late_share number, default 1.5
-- :polled_us duration, default 45s
-- :promised_us duration, default 31d
-- Two sources are polled. Spot prices: two rows of a product and session further apart than late_share times the period are a warning, with how many
-- are missing between them. The period is what the session's opening promised (spot_every_s), if that is less than promised_us before the time
-- asked for, else spot_every_us. A session that promised owes the prices of every product it watched, from its opening to the product's last coverage
-- line: those ends count as rows (without an id). Rows are read from a day and two hours before the time asked for, so a period of 17 hours
-- is the longest that is judged. REST tickers, while the websocket is down: they give a row for a new trade only, so the coverage line is asked: a
-- minute in which REST watched, between two that were watched, with less than polled_us watched in all, is a warning.
WITH promised AS (
  SELECT
    session,
    min(receive_time_us) AS opened_us,
    max(CAST(round(TRY_CAST(json_extract_scalar(detail, '$.spot_every_s') AS DOUBLE) * 1000000) AS BIGINT)) AS every_us
  FROM processed
  WHERE lake_kind IN ('session', 'mixed') AND kind = 'session'
    AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - :promised_us) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
    AND json_extract_scalar(detail, '$.event') = 'opened'
    AND TRY_CAST(json_extract_scalar(detail, '$.spot_every_s') AS DOUBLE) > 0
  GROUP BY session
),
minutes AS (
  SELECT
    product_id, session, n, receive_time_us,
    date_diff(
      'millisecond', TIMESTAMP '1970-01-01 00:00:00.000',
      CAST(substr(replace(replace(json_extract_scalar(detail, '$.minute'), 'T', ' '), 'Z', ''), 1, 23) AS TIMESTAMP)
    ) * 1000 AS minute_us,
    json_extract(detail, '$.watched_ms') AS watched_ms
  FROM (
    SELECT *, row_number() OVER (PARTITION BY session, n ORDER BY lake_hour, lake_kind) AS copy_rank
    FROM processed
    WHERE lake_kind IN ('coverage', 'mixed') AND kind = 'coverage'
      AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 93600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      AND (:product IS NULL OR product_id = :product)
      AND receive_time_us < :now_us - :settle_us
  ) AS copies
  WHERE copy_rank = 1
),
owed AS (
  SELECT m.product_id, m.session, greatest(p.opened_us, :from_us - 93600000000) AS since_us, max(m.receive_time_us) AS watched_us
  FROM minutes AS m
  JOIN promised AS p ON p.session = m.session
  GROUP BY m.product_id, m.session, p.opened_us
),
spots AS (
  SELECT
    m.product_id, m.session, m.n, m.at_us,
    lag(m.at_us) OVER (PARTITION BY m.product_id, m.session ORDER BY m.at_us, m.n) AS previous_us,
    lag(m.n) OVER (PARTITION BY m.product_id, m.session ORDER BY m.at_us, m.n) AS previous_n,
    coalesce(p.every_us, :spot_every_us) AS every_us
  FROM (
    SELECT product_id, session, n, receive_time_us AS at_us
    FROM processed
    WHERE lake_kind IN ('spot', 'mixed') AND kind = 'spot'
      AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 93600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      AND (:product IS NULL OR product_id = :product)
      AND receive_time_us < :now_us - :settle_us
    UNION ALL
    SELECT product_id, session, CAST(NULL AS BIGINT), since_us FROM owed
    UNION ALL
    SELECT product_id, session, CAST(NULL AS BIGINT), watched_us FROM owed
  ) AS m
  LEFT JOIN promised AS p ON p.session = m.session
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
  FROM minutes
)
SELECT
  'warning' AS severity,
  product_id,
  session,
  previous_us AS first_us,
  at_us AS last_us,
  previous_n AS first_id,
  n AS last_id,
  CAST(ceil(CAST(at_us - previous_us AS DOUBLE) / every_us) AS BIGINT) - 1 AS amount,
  'spot prices missing between these two lines' AS what
FROM spots
WHERE at_us - previous_us > :late_share * every_us
  AND at_us >= :from_us AND at_us < :to_us
UNION ALL
SELECT
  'warning', product_id, session, minute_us, minute_us + 59999999, n, n, 60000 - all_ms,
  'milliseconds not watched in a minute that REST was polled in'
FROM polled
WHERE rest_ms > 0 AND all_ms * 1000 < :polled_us
  AND minute_us - previous_us = 60000000 AND next_us - minute_us = 60000000
  AND minute_us >= :from_us AND minute_us < :to_us
