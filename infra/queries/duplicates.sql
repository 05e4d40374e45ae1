-- How many copies of trades does the lake hold, and why?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- Every row of a trade beyond the one that the view ticks shows counts once, by the first cause that fits: the same line delivered again;
-- a healed or backfilled copy of a trade that also came by itself (or the other way round); the same trade from another session; the same
-- trade sent again to the same session (the last ticker, on every subscribe).
SELECT product_id, cause, count(*) AS copies
FROM (
  SELECT
    product_id,
    CASE
      WHEN delivery > 1 THEN 'delivered_again'
      WHEN repaired <> first_repaired THEN 'healed_too'
      WHEN session <> first_session THEN 'another_session'
      ELSE 'sent_again'
    END AS cause
  FROM (
    SELECT
      product_id,
      session,
      repaired,
      delivery,
      row_number() OVER (PARTITION BY product_id, trade_id ORDER BY delivery, fullness DESC, receive_time_us, session, n) AS copy_rank,
      first_value(session) OVER (PARTITION BY product_id, trade_id ORDER BY delivery, fullness DESC, receive_time_us, session, n) AS first_session,
      first_value(repaired) OVER (PARTITION BY product_id, trade_id ORDER BY delivery, fullness DESC, receive_time_us, session, n) AS first_repaired
    FROM (
      SELECT
        product_id,
        trade_id,
        receive_time_us,
        session,
        n,
        source IN ('rest_heal', 'rest_backfill') AS repaired,
        IF(sequence IS NULL, 0, 1) + IF(price IS NULL, 0, 1) + IF(last_size IS NULL, 0, 1) + IF(taker_side IS NULL, 0, 1)
        + IF(best_bid IS NULL, 0, 1) + IF(best_bid_size IS NULL, 0, 1) + IF(best_ask IS NULL, 0, 1) + IF(best_ask_size IS NULL, 0, 1)
        + IF(open_24h IS NULL, 0, 1) + IF(high_24h IS NULL, 0, 1) + IF(low_24h IS NULL, 0, 1)
        + IF(volume_24h IS NULL, 0, 1) + IF(volume_30d IS NULL, 0, 1) AS fullness,
        row_number() OVER (PARTITION BY product_id, trade_id, session, n ORDER BY lake_hour, lake_kind) AS delivery
      FROM processed
      WHERE lake_kind IN ('ticker', 'trade', 'mixed')
        AND kind IN ('ticker', 'trade')
        AND trade_id IS NOT NULL
        AND (:product IS NULL OR product_id = :product)
        AND event_time_us >= :from_us AND event_time_us < :to_us
    ) AS deliveries
  ) AS copies
  WHERE copy_rank > 1
) AS causes
GROUP BY product_id, cause
ORDER BY product_id, cause
