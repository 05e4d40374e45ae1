-- What is each product's last price?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
SELECT product_id, price, event_time, taker_side, last_size, best_bid, best_ask, trade_id
FROM (
  SELECT *, row_number() OVER (PARTITION BY product_id ORDER BY trade_id DESC) AS newness
  FROM ticks
  WHERE (:product IS NULL OR product_id = :product)
    AND event_time_us >= :from_us AND event_time_us < :to_us
) AS ranked
WHERE newness = 1
ORDER BY product_id
