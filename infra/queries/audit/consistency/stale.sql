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
  min(event_time_us) AS first_us,
  max(event_time_us) AS last_us,
  min(trade_id) AS first_id,
  max(trade_id) AS last_id,
  count(*) AS amount,
  CAST(count(*) AS VARCHAR) || ' ticks over ' || CAST(CAST(CAST(max(event_time_us) - min(event_time_us) AS DOUBLE) / 1000000 AS DECIMAL(38, 1)) AS VARCHAR)
  || ' s repeat one price and book: price ' || regexp_replace(CAST(min(price) AS VARCHAR), '\.?0+$', '') || ', bid '
  || regexp_replace(CAST(min(best_bid) AS VARCHAR), '\.?0+$', '') || ', ask '
  || regexp_replace(CAST(min(best_ask) AS VARCHAR), '\.?0+$', '') AS what
FROM (
  SELECT *, sum(changed) OVER (PARTITION BY product_id ORDER BY trade_id ROWS UNBOUNDED PRECEDING) AS run
  FROM (
    SELECT
      product_id, trade_id, event_time_us, price, best_bid, best_ask,
      IF(
        price = lag(price) OVER (PARTITION BY product_id ORDER BY trade_id)
        AND best_bid = lag(best_bid) OVER (PARTITION BY product_id ORDER BY trade_id)
        AND best_ask = lag(best_ask) OVER (PARTITION BY product_id ORDER BY trade_id)
        AND best_bid_size = lag(best_bid_size) OVER (PARTITION BY product_id ORDER BY trade_id)
        AND best_ask_size = lag(best_ask_size) OVER (PARTITION BY product_id ORDER BY trade_id),
        0, 1
      ) AS changed
    FROM ticks
    WHERE (:product IS NULL OR product_id = :product)
      AND event_time_us >= :from_us AND event_time_us < :to_us
      AND best_bid_size IS NOT NULL AND best_ask_size IS NOT NULL
  ) AS changes
) AS runs
GROUP BY product_id, run
HAVING count(*) >= :least_ticks AND max(event_time_us) - min(event_time_us) >= :least_us
