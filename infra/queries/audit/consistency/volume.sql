-- Which trades' sizes disagree with how the day's volume grew?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :restated_us duration, default 90s
-- :slack_us duration, default 5s
-- :restless_share number, default 0.02
-- From one tick of a session to the next, volume_24h grows by the sizes of the trades between, exactly, where the lake has them all; but
-- every restated_us Coinbase counts it anew, and what left the 24 hours goes (of 153,087 recorded steps 152,906 are exact, and the other 181
-- come a minute and a half apart). So a step that is not exact, between two others that are one restatement apart, is none: its trade's
-- size or volume is wrong, and the finding names it. It cannot show a wrong size in the very step of a restatement, nor one without
-- a restatement on both sides (the ends of a session, a product with few trades). Where more than restless_share of a product's steps
-- are not exact (another way of counting, or a simulated market, whose volume flows out evenly) only growth beyond the sizes is named.
WITH steps AS (
  SELECT
    product_id, session, trade_id, event_time_us, previous_id, previous_us, growth - traded AS excess
  FROM (
    SELECT
      product_id, session, trade_id, event_time_us,
      lag(trade_id) OVER (PARTITION BY product_id, session ORDER BY trade_id) AS previous_id,
      lag(event_time_us) OVER (PARTITION BY product_id, session ORDER BY trade_id) AS previous_us,
      volume_24h - lag(volume_24h) OVER (PARTITION BY product_id, session ORDER BY trade_id) AS growth,
      traded - lag(traded) OVER (PARTITION BY product_id, session ORDER BY trade_id) AS traded,
      place - lag(place) OVER (PARTITION BY product_id, session ORDER BY trade_id) AS passed
    FROM (
      SELECT
        product_id, session, trade_id, event_time_us, CAST(volume_24h AS DECIMAL(38, 18)) AS volume_24h, sequence,
        sum(CAST(last_size AS DECIMAL(38, 18))) OVER (PARTITION BY product_id ORDER BY trade_id ROWS UNBOUNDED PRECEDING) AS traded,
        row_number() OVER (PARTITION BY product_id ORDER BY trade_id) AS place
      FROM (
        SELECT
          product_id, session, trade_id, event_time_us, volume_24h, sequence, last_size,
          row_number() OVER (PARTITION BY product_id, trade_id ORDER BY IF(sequence IS NULL, 1, 0), session, n) AS copy_rank
        FROM processed
        WHERE lake_kind IN ('ticker', 'trade', 'mixed') AND kind IN ('ticker', 'trade') AND trade_id IS NOT NULL
          AND (:product IS NULL OR product_id = :product)
          AND event_time_us >= :from_us AND event_time_us < :to_us
      ) AS copies
      WHERE copy_rank = 1
    ) AS sums
    WHERE volume_24h IS NOT NULL AND sequence IS NOT NULL
  ) AS pairs
  WHERE trade_id - previous_id = passed
), inexact AS (
  SELECT *
  FROM (
    SELECT
      *,
      CAST(count(IF(excess <> 0, 1, NULL)) OVER (PARTITION BY product_id) AS DOUBLE)
      <= CAST(:restless_share AS DOUBLE) * CAST(count(*) OVER (PARTITION BY product_id) AS DOUBLE) AS restates
    FROM steps
  ) AS habits
  WHERE excess <> 0
), enclosed AS (
  SELECT DISTINCT middle.product_id, middle.session, middle.trade_id
  FROM inexact AS middle
  INNER JOIN inexact AS before
    ON before.product_id = middle.product_id AND before.session = middle.session AND before.trade_id < middle.trade_id
    AND before.event_time_us > middle.event_time_us - :restated_us - :slack_us
  INNER JOIN inexact AS after
    ON after.product_id = middle.product_id AND after.session = middle.session AND after.trade_id > middle.trade_id
    AND after.event_time_us < middle.event_time_us + :restated_us + :slack_us
  WHERE middle.restates AND before.restates AND after.restates
    AND after.event_time_us - before.previous_us <= :restated_us + :slack_us
    AND after.event_time_us - before.previous_us >= :restated_us - :slack_us
)
SELECT
  'warning' AS severity,
  i.product_id,
  i.session,
  i.event_time_us AS first_us,
  i.event_time_us AS last_us,
  i.previous_id + 1 AS first_id,
  i.trade_id AS last_id,
  i.trade_id - i.previous_id AS amount,
  'volume_24h grew by ' || regexp_replace(CAST(abs(i.excess) AS VARCHAR), '\.?0+$', '') || IF(i.excess > 0, ' more', ' less')
  || ' than the size' || IF(i.trade_id - i.previous_id = 1, '', 's') || ' traded, and nothing was restated then' AS what
FROM inexact AS i
LEFT JOIN enclosed AS e ON e.product_id = i.product_id AND e.session = i.session AND e.trade_id = i.trade_id
WHERE e.trade_id IS NOT NULL OR (NOT i.restates AND i.excess > 0)
