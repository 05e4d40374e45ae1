-- Which ticks were received before they happened, or long after?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :ahead_us duration, default 1s
-- :behind_us duration, default 30s
-- :least_ticks count, default 10
-- Per product, session and minute, for ticks of a websocket. Ahead: any tick that our clock has more than ahead_us before the exchange's
-- (clocks differ by some hundredths of a second). Behind: only where every tick of a minute, and least_ticks of them, came more than
-- behind_us late: the last ticker sent anew on each subscribe is as old as its trade, and nothing is wrong with that. Healed and polled
-- trades are late by nature, and a simulated exchange keeps a clock of its own: they are left out. Of the rows as delivered.
SELECT
  'warning' AS severity,
  product_id,
  session,
  first_us,
  last_us,
  first_id,
  last_id,
  IF(ahead > 0, ahead, ticks) AS amount,
  IF(
    ahead > 0,
    CAST(ahead AS VARCHAR) || IF(ahead = 1, ' tick was', ' ticks were') || ' received before the exchange says that they happened, by up to '
    || CAST(CAST(CAST(-quickest_us AS DOUBLE) / 1000000 AS DECIMAL(38, 3)) AS VARCHAR) || ' s',
    'all ' || CAST(ticks AS VARCHAR) || ' ticks of the minute were received at least '
    || CAST(CAST(CAST(quickest_us AS DOUBLE) / 1000000 AS DECIMAL(38, 3)) AS VARCHAR) || ' s after they happened'
  ) AS what
FROM (
  SELECT
    product_id,
    session,
    count(*) AS ticks,
    count(*) FILTER (WHERE latency_us < -:ahead_us) AS ahead,
    min(latency_us) AS quickest_us,
    coalesce(min(event_time_us) FILTER (WHERE latency_us < -:ahead_us), min(event_time_us)) AS first_us,
    coalesce(max(event_time_us) FILTER (WHERE latency_us < -:ahead_us), max(event_time_us)) AS last_us,
    coalesce(min(trade_id) FILTER (WHERE latency_us < -:ahead_us), min(trade_id)) AS first_id,
    coalesce(max(trade_id) FILTER (WHERE latency_us < -:ahead_us), max(trade_id)) AS last_id
  FROM (
    SELECT product_id, session, trade_id, event_time_us, receive_time_us - event_time_us AS latency_us
    FROM processed
    WHERE lake_kind IN ('ticker', 'trade', 'mixed') AND kind IN ('ticker', 'trade') AND trade_id IS NOT NULL
      AND (:product IS NULL OR product_id = :product)
      AND event_time_us >= :from_us AND event_time_us < :to_us
      AND source IN ('exchange_ws', 'advanced_ws')
  ) AS latencies
  GROUP BY product_id, session, event_time_us - event_time_us % 60000000
) AS minutes
WHERE ahead > 0 OR (ticks >= :least_ticks AND quickest_us > :behind_us)
