-- Does the lake hold what each coverage line says was seen?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :now_us instant, default the end
-- :settle_us duration, default 20m
-- A coverage line counts the trades that one session saw of a product in a minute, and names the first and the last. Fewer of that session's rows
-- (or refused lines) between those two, or one of the two not there, is damage; a hole where gap lines name as many that were in lines which
-- Firehose refused for good, or may have been in lines lost to damage on the producer's disk. More is a warning: such a trade came after its minute
-- was finished. Coverage lines received within settle_us of now are left out.
WITH minutes AS (
  SELECT
    product_id, session, n, receive_time_us, ticks, first_trade_id, last_trade_id,
    date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000', minute) * 1000 AS minute_us
  FROM coverage
  WHERE ticks > 0
    AND (:product IS NULL OR product_id = :product)
    AND receive_time_us < :now_us - :settle_us
),
trades AS (
  SELECT DISTINCT session, product_id, trade_id, event_time_us - event_time_us % 60000000 AS minute_us
  FROM processed
  WHERE lake_kind IN ('ticker', 'mixed') AND kind = 'ticker'
    AND (:product IS NULL OR product_id = :product)
    AND event_time_us >= :from_us - 60000000 AND event_time_us < :to_us + 60000000
  UNION ALL
  SELECT
    session,
    coalesce(json_extract_scalar(message, '$.message.product_id'), json_extract_scalar(message, '$.product_id')),
    TRY_CAST(json_extract_scalar(message, '$.message.trade_id') AS BIGINT),
    date_diff(
      'millisecond', TIMESTAMP '1970-01-01 00:00:00.000',
      TRY_CAST(substr(replace(json_extract_scalar(message, '$.message.time'), 'T', ' '), 1, 16) || ':00' AS TIMESTAMP)
    ) * 1000
  FROM (
    SELECT session, IF(kind = 'ticker', line, NULL) AS message
    FROM refusals
    WHERE lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 3600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
  ) AS refused
  WHERE message IS NOT NULL
),
-- Each trade once: one that was refused again is named again, and in other ranges.
lost AS (
  SELECT product_id, greatest(first_id, coalesce(previous_id, 0) + 1) AS first_id, last_id
  FROM (
    SELECT
      product_id, first_missing_trade_id AS first_id, last_missing_trade_id AS last_id,
      max(last_missing_trade_id) OVER (
        PARTITION BY product_id ORDER BY first_missing_trade_id, last_missing_trade_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
      ) AS previous_id
    FROM gaps
    WHERE reason IN ('journal_damaged', 'refused_by_firehose')
      AND (:product IS NULL OR product_id = :product)
      AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 93600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
  ) AS ranges
  WHERE last_id > coalesce(previous_id, 0)
),
losses AS (
  SELECT
    m.product_id, m.session, m.n,
    CAST(sum(least(l.last_id, m.last_trade_id) - greatest(l.first_id, m.first_trade_id) + 1) AS BIGINT) AS lost
  FROM minutes AS m
  JOIN lost AS l ON l.product_id = m.product_id AND l.last_id >= m.first_trade_id AND l.first_id <= m.last_trade_id
  GROUP BY m.product_id, m.session, m.n
)
SELECT
  CASE WHEN seen > ticks THEN 'warning' WHEN ticks - seen <= lost THEN 'hole' ELSE 'damage' END AS severity,
  compared.product_id AS product_id,
  compared.session AS session,
  minute_us AS first_us,
  minute_us + 59999999 AS last_us,
  first_trade_id AS first_id,
  last_trade_id AS last_id,
  IF(seen = ticks, 1, abs(ticks - seen)) AS amount,
  'the coverage line (n ' || CAST(compared.n AS VARCHAR) || ') counts ' || CAST(ticks AS VARCHAR) || ' trades in this minute, the lake holds '
  || CAST(seen AS VARCHAR) || ' from its first to its last' || IF(ends < 2, ', and not both of these', '')
  || IF(seen <= ticks AND ticks - seen <= lost, '; the others were in lines that Firehose refused, or may have been in lines that the producer''s disk lost, by name', '') AS what
FROM (
  SELECT
    m.product_id, m.session, m.n, m.minute_us, m.ticks, m.first_trade_id, m.last_trade_id,
    count(t.trade_id) AS seen,
    count(DISTINCT IF(t.trade_id IN (m.first_trade_id, m.last_trade_id), t.trade_id, NULL))
    + IF(m.first_trade_id = m.last_trade_id, 1, 0) AS ends
  FROM minutes AS m
  LEFT JOIN trades AS t
    ON t.session = m.session AND t.product_id = m.product_id AND t.minute_us = m.minute_us
    AND t.trade_id >= m.first_trade_id AND t.trade_id <= m.last_trade_id
  WHERE m.minute_us >= :from_us AND m.minute_us < :to_us
  GROUP BY m.product_id, m.session, m.n, m.minute_us, m.ticks, m.first_trade_id, m.last_trade_id
) AS compared
LEFT JOIN losses AS o ON o.product_id = compared.product_id AND o.session = compared.session AND o.n = compared.n
WHERE seen <> ticks OR ends < 2
