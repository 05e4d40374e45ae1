-- Which ticks show price and book standing still while trades go on?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :least_ticks count, default 50
-- :least_us duration, default 10s
-- Trade ids say that trading goes on, and each trade takes something out of the book: a run of ticks, least_ticks long and over
-- least_us, that all repeat price, best bid, best ask and both sizes is a feed that stands still. The longest of 153,111 recorded
-- ticks is nine ticks and 1.1 seconds. The price alone may stand for long (a stablecoin's does); frames of before 2022 have no sizes and
-- are left out.
SELECT
  'warning' AS severity,
  product_id,
  CAST(NULL AS VARCHAR) AS session,
  min(previous_us) AS first_us,
  max(event_time_us) AS last_us,
  min(previous_id) AS first_id,
  max(trade_id) AS last_id,
  count(DISTINCT IF(trade_id > previous_id, trade_id, NULL)) + 1 AS amount,
  CAST(count(DISTINCT IF(trade_id > previous_id, trade_id, NULL)) + 1 AS VARCHAR) || ' ticks over '
  || CAST(CAST(CAST(max(event_time_us) - min(previous_us) AS DOUBLE) / 1000000 AS DECIMAL(38, 1)) AS VARCHAR)
  || ' s repeat one price and book: ' || min(shown) AS what
FROM (
  SELECT *, place - row_number() OVER (PARTITION BY product_id ORDER BY place) AS run
  FROM (
    SELECT
      product_id, trade_id, event_time_us, shown,
      row_number() OVER (PARTITION BY product_id ORDER BY trade_id, session, n) AS place,
      lag(shown) OVER (PARTITION BY product_id ORDER BY trade_id, session, n) AS previous_shown,
      lag(trade_id) OVER (PARTITION BY product_id ORDER BY trade_id, session, n) AS previous_id,
      lag(event_time_us) OVER (PARTITION BY product_id ORDER BY trade_id, session, n) AS previous_us
    FROM (
      SELECT
        product_id, trade_id, event_time_us, session, n,
        'price ' || price || ', bid ' || best_bid_size || ' at ' || best_bid || ', ask ' || best_ask_size || ' at ' || best_ask AS shown
      FROM processed
      WHERE lake_kind IN ('ticker', 'trade', 'mixed') AND kind IN ('ticker', 'trade') AND trade_id IS NOT NULL
        AND (:product IS NULL OR product_id = :product)
        AND event_time_us >= :from_us AND event_time_us < :to_us
        AND best_bid_size IS NOT NULL AND best_ask_size IS NOT NULL
    ) AS books
  ) AS neighbours
  WHERE shown = previous_shown
) AS runs
GROUP BY product_id, run
HAVING count(DISTINCT IF(trade_id > previous_id, trade_id, NULL)) + 1 >= :least_ticks AND max(event_time_us) - min(previous_us) >= :least_us
