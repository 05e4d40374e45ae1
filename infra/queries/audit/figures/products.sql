-- What does the lake hold of each product, and how much of it was fetched afterwards?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :products count, default 1000
-- One row per product that traded, the busiest first, at most :products of them; products_in_all counts every one. `healed` are trades that came
-- from REST to fill a hole, `missing` are ids between the lowest and the highest one here that no trade has.
SELECT
  product_id, trades, healed, backfilled, missing, first_trade_id, last_trade_id, first_us, last_us, open, high, low, close, volume, products_in_all
FROM (
  SELECT
    totals.*,
    row_number() OVER (ORDER BY trades DESC, product_id) AS place,
    count(*) OVER () AS products_in_all
  FROM (
    SELECT
      product_id,
      count(*) AS trades,
      count(*) FILTER (WHERE kind = 'trade' AND source <> 'rest_backfill') AS healed,
      count(*) FILTER (WHERE source = 'rest_backfill') AS backfilled,
      max(trade_id) - min(trade_id) + 1 - count(*) AS missing,
      min(trade_id) AS first_trade_id,
      max(trade_id) AS last_trade_id,
      min(event_time_us) AS first_us,
      max(event_time_us) AS last_us,
      min_by(price, trade_id) AS open,
      max(price) AS high,
      min(price) AS low,
      max_by(price, trade_id) AS close,
      sum(last_size) AS volume
    FROM ticks
    WHERE (:product IS NULL OR product_id = :product)
      AND event_time_us >= :from_us AND event_time_us < :to_us
    GROUP BY product_id
  ) AS totals
) AS places
WHERE place <= :products
ORDER BY place
