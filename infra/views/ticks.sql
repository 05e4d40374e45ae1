-- Which trades does the lake hold, each once, with exact types?
-- One row per (product_id, trade_id): of compacted hours as history has it, of the other hours the best copy. Copies are normal (at-least-once
-- delivery, healing, two producers, the last ticker sent anew on every subscribe): the one with the most market fields wins, of those
-- the first received, then the lower (session, n). A trade belongs to the hour of the copy that wins, and copies that differ in time by up
-- to a minute are judged together (infra/history/hour.sql does the same), so there is neither seam nor double between two hours.
-- Timestamps have milliseconds in Athena and microseconds at home; event_time_us and receive_time_us are exact in both.
CREATE OR REPLACE VIEW ticks AS
SELECT
  kind,
  product_id,
  event_time,
  receive_time,
  event_time_us,
  receive_time_us,
  source,
  session,
  n,
  trade_id,
  sequence,
  price,
  last_size,
  taker_side,
  best_bid,
  best_bid_size,
  best_ask,
  best_ask_size,
  open_24h,
  high_24h,
  low_24h,
  volume_24h,
  volume_30d,
  lake_kind,
  lake_hour
FROM history
WHERE generation IN (SELECT generation FROM compacted)
UNION ALL
SELECT
  best.kind,
  best.product_id,
  best.event_time,
  best.receive_time,
  best.event_time_us,
  best.receive_time_us,
  best.source,
  best.session,
  best.n,
  best.trade_id,
  best.sequence,
  best.price,
  best.last_size,
  best.taker_side,
  best.best_bid,
  best.best_bid_size,
  best.best_ask,
  best.best_ask_size,
  best.open_24h,
  best.high_24h,
  best.low_24h,
  best.volume_24h,
  best.volume_30d,
  best.lake_kind,
  best.lake_hour
FROM (
  SELECT
    near.*,
    row_number() OVER (PARTITION BY near.product_id, near.trade_id ORDER BY near.fullness DESC, near.receive_time_us, near.session, near.n) AS copy_rank
  FROM (
    SELECT c.*, IF(c.event_time_us % 3600000000 < 60000000, later.generation, earlier.generation) AS own_generation
    FROM copies AS c
    LEFT JOIN compacted AS earlier ON earlier.hour_start_us = c.event_time_us - 60000000 - (c.event_time_us - 60000000) % 3600000000
    LEFT JOIN compacted AS later ON later.hour_start_us = c.event_time_us + 60000000 - (c.event_time_us + 60000000) % 3600000000
    WHERE earlier.generation IS NULL OR later.generation IS NULL
  ) AS near
) AS best
WHERE best.copy_rank = 1 AND best.own_generation IS NULL
