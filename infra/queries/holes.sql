-- Which trades are missing, why, and what was healed?
-- :product text, default every product
-- :from_us instant, default the beginning (reads every hour)
-- :to_us instant, default the end
-- One row per hole, with its latest status. A hole counts when it touches the time asked for, from its near side (or, not known, when it
-- was found) to its far side (or, not known, when it was found). still_missing is a list of inclusive ranges of trade ids.
SELECT
  product_id, reason, status, first_missing_trade_id, last_missing_trade_id, missing, fetched, still_missing, why,
  before_trade_id, before_time, after_trade_id, after_time, receive_time
FROM (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY
        product_id, first_missing_trade_id, last_missing_trade_id,
        IF(first_missing_trade_id IS NULL, session, ''), IF(first_missing_trade_id IS NULL, n, 0)
      ORDER BY receive_time_us DESC, session DESC, n DESC
    ) AS newness
  FROM gaps
  WHERE (:product IS NULL OR product_id = :product)
) AS statuses
WHERE newness = 1
  AND coalesce(after_time, receive_time) >= TIMESTAMP '1970-01-01 00:00:00.000' + :from_us / 1000 * INTERVAL '0.001' SECOND
  AND coalesce(before_time, receive_time) < TIMESTAMP '1970-01-01 00:00:00.000' + :to_us / 1000 * INTERVAL '0.001' SECOND
ORDER BY product_id, first_missing_trade_id, receive_time
