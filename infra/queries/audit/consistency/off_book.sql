-- Which trades' prices lie outside the bid and ask, or the day's range, that came with them?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :far_share number, default 0.001
-- A websocket's ticker shows the book right after the trade: all of 153,111 recorded ones lie between bid and ask, and between the low and
-- the high of 24 hours. Outside by more than far_share of the price is a warning, by less a notice. REST tickers (without sequence) are
-- left out: their book is of the moment they were asked for. One finding for each unbroken run of trade ids.
SELECT
  IF(max(distance) > CAST(:far_share AS DOUBLE), 'warning', 'notice') AS severity,
  product_id,
  CAST(NULL AS VARCHAR) AS session,
  min(event_time_us) AS first_us,
  max(event_time_us) AS last_us,
  min(trade_id) AS first_id,
  max(trade_id) AS last_id,
  count(*) AS amount,
  CAST(count(*) AS VARCHAR) || IF(count(*) = 1, ' trade', ' trades') || ' outside what came with '
  || IF(count(*) = 1, 'it', 'them') || ', by up to ' || CAST(CAST(max(distance) * 100 AS DECIMAL(38, 4)) AS VARCHAR) || ' %: price '
  || regexp_replace(CAST(max_by(price, distance) AS VARCHAR), '\.?0+$', '') || ', bid '
  || regexp_replace(CAST(max_by(best_bid, distance) AS VARCHAR), '\.?0+$', '') || ', ask '
  || regexp_replace(CAST(max_by(best_ask, distance) AS VARCHAR), '\.?0+$', '') || ', day '
  || coalesce(regexp_replace(CAST(max_by(low_24h, distance) AS VARCHAR), '\.?0+$', ''), '?') || ' to '
  || coalesce(regexp_replace(CAST(max_by(high_24h, distance) AS VARCHAR), '\.?0+$', ''), '?') AS what
FROM (
  SELECT
    product_id, trade_id, event_time_us, price, best_bid, best_ask, low_24h, high_24h,
    CAST(greatest(price - best_ask, best_bid - price, price - coalesce(high_24h, price), coalesce(low_24h, price) - price) AS DOUBLE)
    / CAST(price AS DOUBLE) AS distance,
    trade_id - row_number() OVER (PARTITION BY product_id ORDER BY trade_id) AS run
  FROM (
    SELECT *, row_number() OVER (PARTITION BY product_id, trade_id ORDER BY session, n) AS copy_rank
    FROM (
      SELECT
        product_id, trade_id, event_time_us, session, n, sequence,
        CAST(price AS DECIMAL(38, 18)) AS price,
        CAST(best_bid AS DECIMAL(38, 18)) AS best_bid,
        CAST(best_ask AS DECIMAL(38, 18)) AS best_ask,
        CAST(low_24h AS DECIMAL(38, 18)) AS low_24h,
        CAST(high_24h AS DECIMAL(38, 18)) AS high_24h
      FROM processed
      WHERE lake_kind IN ('ticker', 'trade', 'mixed') AND kind IN ('ticker', 'trade') AND trade_id IS NOT NULL
        AND (:product IS NULL OR product_id = :product)
        AND event_time_us >= :from_us AND event_time_us < :to_us
        AND sequence IS NOT NULL
    ) AS books
    WHERE (price > best_ask OR price < best_bid OR price > high_24h OR price < low_24h) AND best_bid > 0 AND best_ask > 0 AND price > 0
  ) AS copies
  WHERE copy_rank = 1
) AS outside
GROUP BY product_id, run
