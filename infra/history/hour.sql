-- Which trades happened in this hour, each once, as history keeps them?
-- :from_us instant, default the beginning (reads every hour)
-- :to_us instant, default the end
-- :generation text, default none
-- What `ticklake compact` writes for a closed hour: at home into an object, on Athena by INSERT INTO history. A trade belongs to the hour of the
-- copy that wins (see the view ticks); so the copies of a minute before and after the hour are judged as well.
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
  lake_hour,
  :generation AS generation
FROM (
  SELECT
    *,
    row_number() OVER (PARTITION BY product_id, trade_id ORDER BY fullness DESC, receive_time_us, session, n) AS copy_rank
  FROM copies
  WHERE event_time_us >= :from_us - 60000000 AND event_time_us < :to_us + 60000000
) AS ranked
WHERE copy_rank = 1 AND event_time_us >= :from_us AND event_time_us < :to_us
ORDER BY product_id, event_time_us, trade_id
