-- Does history hold the trades of the hours that it stands for, each once, as a row has it?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :now_us instant, default the end
-- :fold_us duration, default 2h
-- Compacted hours only. A trade all of whose rows happened in compacted hours must be in history, unless no row of it was received more than fold_us before
-- now: what came late (a hole of those hours healed, a backfill) waits for the next compaction, once an hour. One in history must be as one of its rows:
-- the same line, time, price and size (decimals as numbers). Each is damage, summed by product and hour: the lowest and highest trade id, and how many.
WITH told AS (
  SELECT
    h.product_id, h.trade_id, h.session, h.n, h.event_time_us, h.receive_time_us, h.price, h.last_size, 1 AS is_history, 1 AS is_compacted
  FROM history AS h
  WHERE h.generation IN (SELECT generation FROM compacted)
    AND (:product IS NULL OR h.product_id = :product)
    AND h.event_time_us >= :from_us AND h.event_time_us < :to_us
  UNION ALL
  SELECT
    p.product_id, p.trade_id, p.session, p.n, p.event_time_us, p.receive_time_us,
    TRY_CAST(p.price AS DECIMAL(38, 18)), TRY_CAST(p.last_size AS DECIMAL(38, 18)), 0, IF(c.generation IS NULL, 0, 1)
  FROM processed AS p
  LEFT JOIN compacted AS c ON c.hour_start_us = p.event_time_us - p.event_time_us % 3600000000
  WHERE p.lake_kind IN ('ticker', 'trade', 'mixed') AND p.kind IN ('ticker', 'trade')
    AND p.trade_id IS NOT NULL
    AND (:product IS NULL OR p.product_id = :product)
    AND p.event_time_us >= :from_us - 60000000 AND p.event_time_us < :to_us + 60000000
    AND EXISTS (SELECT 1 FROM compacted)
),
lines AS (
  SELECT
    product_id, trade_id,
    sum(is_history) AS kept,
    sum(1 - is_history) AS delivered,
    min(is_compacted) AS is_compacted,
    min(event_time_us) AS first_us,
    max(event_time_us) AS last_us,
    min(receive_time_us) AS known_us,
    coalesce(min(event_time_us) < max(event_time_us) OR min(price) < max(price) OR min(last_size) < max(last_size), FALSE) AS is_unlike
  FROM told
  GROUP BY product_id, trade_id, session, n
),
trades AS (
  SELECT
    product_id, trade_id,
    min(first_us) AS event_time_us,
    CASE
      WHEN max(IF(kept > 0, IF(is_unlike, 1, 0), 0)) = 1 THEN 'unlike'
      WHEN sum(kept) > 1 AND max(last_us) - min(first_us) <= 60000000 THEN 'twice'
      WHEN max(IF(kept > 0 AND delivered = 0, 1, 0)) = 1 THEN 'not_delivered'
      WHEN sum(kept) = 0 AND min(is_compacted) = 1 AND min(known_us) < :now_us - :fold_us THEN 'missing'
      ELSE 'fine'
    END AS state
  FROM lines
  GROUP BY product_id, trade_id
)
SELECT
  'damage' AS severity,
  product_id,
  CAST(NULL AS VARCHAR) AS session,
  min(event_time_us) AS first_us,
  max(event_time_us) AS last_us,
  min(trade_id) AS first_id,
  max(trade_id) AS last_id,
  count(*) AS amount,
  CASE state
    WHEN 'unlike' THEN 'trades in history with another time, price or size than their rows'
    WHEN 'twice' THEN 'trades more than once in history'
    WHEN 'not_delivered' THEN 'trades in history whose row is not there'
    ELSE 'trades that rows have and history has not'
  END AS what
FROM trades
WHERE state <> 'fine'
  AND event_time_us >= :from_us AND event_time_us < :to_us
GROUP BY product_id, state, event_time_us - event_time_us % 3600000000
