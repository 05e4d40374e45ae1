-- Which ticks carry a book that is crossed, locked or one-sided?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- In a crossed book the best ask is below the best bid. The transform refuses those, so a row with one is not what it let through: damage. A
-- locked book has the same best bid and ask; one exchange's matching leaves none standing, and 153,111 recorded ticks have none: a
-- warning. A best price of zero is no price: a warning. One finding for each unbroken
-- run of trade ids, of the rows as delivered.
SELECT
  CASE WHEN state = 'crossed' THEN 'damage' ELSE 'warning' END AS severity,
  product_id,
  CAST(NULL AS VARCHAR) AS session,
  min(event_time_us) AS first_us,
  max(event_time_us) AS last_us,
  min(trade_id) AS first_id,
  max(trade_id) AS last_id,
  count(*) AS amount,
  CAST(count(*) AS VARCHAR) || IF(count(*) = 1, ' tick with a ', ' ticks with a ') || state || ' book: best bid '
  || regexp_replace(CAST(min_by(best_bid, trade_id) AS VARCHAR), '\.?0+$', '') || ', best ask '
  || regexp_replace(CAST(min_by(best_ask, trade_id) AS VARCHAR), '\.?0+$', '')
  || IF(count(*) = 1, '', ' in the earliest of them') AS what
FROM (
  SELECT *, trade_id - row_number() OVER (PARTITION BY product_id, state ORDER BY trade_id) AS run
  FROM (
    SELECT
      product_id, trade_id, event_time_us, best_bid, best_ask,
      CASE WHEN best_bid = 0 OR best_ask = 0 THEN 'one-sided' WHEN best_ask < best_bid THEN 'crossed' ELSE 'locked' END AS state,
      row_number() OVER (PARTITION BY product_id, trade_id ORDER BY best_ask - best_bid, session, n) AS copy_rank
    FROM (
      SELECT
        product_id, trade_id, event_time_us, session, n,
        CAST(best_bid AS DECIMAL(38, 18)) AS best_bid, CAST(best_ask AS DECIMAL(38, 18)) AS best_ask
      FROM processed
      WHERE lake_kind IN ('ticker', 'trade', 'mixed') AND kind IN ('ticker', 'trade') AND trade_id IS NOT NULL
        AND (:product IS NULL OR product_id = :product)
        AND event_time_us >= :from_us AND event_time_us < :to_us
    ) AS books
    WHERE best_ask <= best_bid OR best_bid = 0
  ) AS states
  WHERE copy_rank = 1
) AS runs
GROUP BY product_id, state, run
