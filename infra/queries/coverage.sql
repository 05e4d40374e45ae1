-- Which minutes were watched, and does the lake hold what was seen?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- One row per product and minute that a producer testified about. Of several producers the one that saw most is shown. Ticks in the lake
-- can be more (healed later, seen by another producer) and should not be fewer: short_by says by how many they are.
SELECT
  c.product_id,
  c.minute,
  c.producers,
  c.whole,
  c.ticks AS ticks_seen,
  coalesce(t.ticks, 0) AS ticks_in_lake,
  greatest(c.ticks - coalesce(t.ticks, 0), 0) AS short_by,
  c.longest_silence_ms,
  c.heartbeats
FROM (
  SELECT
    product_id,
    minute,
    count(DISTINCT session) AS producers,
    bool_or(whole) AS whole,
    max(ticks) AS ticks,
    min(longest_silence_ms) AS longest_silence_ms,
    max(heartbeats) AS heartbeats
  FROM coverage
  WHERE (:product IS NULL OR product_id = :product)
    AND minute >= TIMESTAMP '1970-01-01 00:00:00.000' + :from_us / 1000 * INTERVAL '0.001' SECOND
    AND minute < TIMESTAMP '1970-01-01 00:00:00.000' + :to_us / 1000 * INTERVAL '0.001' SECOND
  GROUP BY product_id, minute
) AS c
LEFT JOIN (
  SELECT
    product_id,
    TIMESTAMP '1970-01-01 00:00:00.000' + (event_time_us - event_time_us % 60000000) / 1000 * INTERVAL '0.001' SECOND AS minute,
    count(*) AS ticks
  FROM ticks
  WHERE (:product IS NULL OR product_id = :product)
    AND event_time_us >= :from_us - :from_us % 60000000 AND event_time_us < :to_us + 60000000
  GROUP BY product_id, event_time_us - event_time_us % 60000000
) AS t ON t.product_id = c.product_id AND t.minute = c.minute
ORDER BY c.product_id, c.minute
