-- What became of each minute of each product: watched, quiet, halted, partly watched, not watched, a hole, healed or lost?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :now_us instant, default the end
-- :settle_us duration, default 20m
-- :cells count, default 1440
-- :halted_us duration, default 5m
-- :halted_trades count, default 20
-- :products count, default 1000
-- One row per product (at most :products, those with holes first; products_in_all counts every one) and in it one letter per cell: `states` has
-- `cells` letters, of cell_us each from start_us on. A cell is a minute, or as many minutes as make :cells cells of the whole span; the worst of
-- its minutes wins, in this order:
--   x lost: a producer testified to more trades than the lake holds            o hole: trade ids are missing between here and there
--   h healed: trades were fetched afterwards, and none is missing              t trades, and no testimony that anybody watched (backfilled)
--   n not watched                                                              p watched for a part of the time
--   z halted, as the check minutes has it: watched whole, with heartbeats and without a trade, for halted_us or longer, in which the product's mean pace
--     would have given halted_trades or more
--   1-9 watched, by trades a minute: 1, 3, 10, 30, 100, 300, 1000, 3000, 10000 and more
--   q quiet: watched, and no trade
-- Where `from` is the beginning, the span begins with what the lake knows, and ends with it where what follows would be the longer part. What was
-- received within settle_us of now may still be on its way: it is no loss and no hole yet.
WITH facts AS (
  SELECT
    product_id,
    minute_us,
    bool_or(whole) AS whole,
    max(ticks) AS seen,
    max(heartbeats) AS heartbeats,
    CAST(NULL AS BIGINT) AS trades,
    CAST(NULL AS BIGINT) AS fetched,
    CAST(NULL AS BIGINT) AS hole_from_us
  FROM (
    SELECT
      product_id, whole, heartbeats,
      IF(receive_time_us < :now_us - :settle_us, ticks, NULL) AS ticks,
      date_diff('minute', TIMESTAMP '1970-01-01 00:00:00.000', minute) * 60000000 AS minute_us
    FROM coverage
    WHERE (:product IS NULL OR product_id = :product)
  ) AS testimonies
  WHERE minute_us >= :from_us - :from_us % 60000000 AND minute_us < :to_us
  GROUP BY product_id, minute_us
  UNION ALL
  SELECT
    product_id,
    event_time_us - event_time_us % 60000000,
    CAST(NULL AS BOOLEAN), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT),
    count(*),
    count(*) FILTER (WHERE kind = 'trade' AND source <> 'rest_backfill'),
    min(IF(trade_id > earlier_id + 1 AND receive_time_us < :now_us - :settle_us, least(earlier_us, event_time_us), NULL))
  FROM (
    SELECT
      product_id, kind, source, trade_id, event_time_us, receive_time_us,
      lag(trade_id) OVER (PARTITION BY product_id ORDER BY trade_id) AS earlier_id,
      lag(event_time_us) OVER (PARTITION BY product_id ORDER BY trade_id) AS earlier_us
    FROM ticks
    WHERE (:product IS NULL OR product_id = :product)
      AND event_time_us >= :from_us AND event_time_us < :to_us
  ) AS trades
  GROUP BY product_id, event_time_us - event_time_us % 60000000
  UNION ALL
  -- Holes that reach out of the span: the trades on their two sides are not both in it, so testimony has to name them.
  SELECT
    product_id,
    least(far_us, :to_us - 1) - least(far_us, :to_us - 1) % 60000000,
    CAST(NULL AS BOOLEAN), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT),
    greatest(near_us, :from_us)
  FROM (
    SELECT
      product_id, status, before_time, after_time,
      date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000', coalesce(before_time, after_time)) * 1000 AS near_us,
      date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000', coalesce(after_time, before_time)) * 1000 AS far_us,
      row_number() OVER (
        PARTITION BY product_id, first_missing_trade_id, last_missing_trade_id
        ORDER BY receive_time_us DESC, session DESC, n DESC
      ) AS newness
    FROM gaps
    WHERE (:product IS NULL OR product_id = :product)
      AND first_missing_trade_id IS NOT NULL
  ) AS statuses
  WHERE newness = 1
    AND status <> 'healed'
    AND far_us >= :from_us AND near_us < :to_us
    AND (before_time IS NULL OR after_time IS NULL OR near_us < :from_us OR far_us >= :to_us)
),
minutes AS (
  SELECT
    product_id,
    minute_us,
    bool_or(whole) AS whole,
    max(seen) AS seen,
    coalesce(max(trades), 0) AS trades,
    coalesce(max(fetched), 0) AS fetched,
    min(hole_from_us) AS hole_from_us,
    IF(bool_or(whole) AND max(heartbeats) > 0 AND coalesce(max(trades), 0) = 0 AND coalesce(max(seen), 0) = 0, 1, 0) AS is_still
  FROM facts
  WHERE product_id IS NOT NULL
  GROUP BY product_id, minute_us
),
runs AS (
  SELECT
    *,
    sum(IF(is_still = 1 AND minute_us - previous_us = 60000000, 0, 1)) OVER (PARTITION BY product_id ORDER BY minute_us ROWS UNBOUNDED PRECEDING) AS run
  FROM (
    SELECT
      *,
      lag(minute_us) OVER (PARTITION BY product_id ORDER BY minute_us) AS previous_us,
      sum(IF(whole IS NULL, 0, trades)) OVER (PARTITION BY product_id) AS all_trades,
      count(whole) OVER (PARTITION BY product_id) AS all_minutes
    FROM minutes
  ) AS paced
),
stills AS (
  SELECT *, sum(is_still) OVER (PARTITION BY product_id, run) AS still
  FROM runs
),
known AS (
  SELECT
    *,
    IF(:from_us = 0, min(minute_us) OVER (), :from_us - :from_us % 60000000) AS start_us,
    max(minute_us) OVER () + 60000000 AS known_until_us,
    is_still = 1 AND still * 60000000 >= :halted_us AND still * all_trades >= :halted_trades * all_minutes AS is_halted
  FROM stills
),
spans AS (
  SELECT
    *,
    IF(
      :from_us = 0 AND :to_us - known_until_us > known_until_us - start_us,
      known_until_us,
      :to_us + (60000000 - :to_us % 60000000) % 60000000
    ) AS end_us
  FROM known
),
sizes AS (
  SELECT
    *,
    CAST(CAST(end_us - start_us AS DOUBLE) / 60000000 AS BIGINT) AS minutes_in_all,
    CAST(ceil(CAST(end_us - start_us AS DOUBLE) / 60000000 / :cells) AS BIGINT) AS cell_minutes
  FROM spans
),
cells AS (
  SELECT
    product_id, start_us, minutes_in_all, cell_minutes, cell,
    -- Not count(whole): beside the next line's FILTER (WHERE whole) Trino takes the two for one and gives both the same number.
    count(*) FILTER (WHERE whole IS NOT NULL) AS testified,
    count(*) FILTER (WHERE whole) AS watched_whole,
    bool_or(coalesce(seen > trades, FALSE)) AS lost,
    CAST(sum(trades) AS BIGINT) AS trades,
    CAST(sum(fetched) AS BIGINT) AS fetched,
    min(hole_from_us) AS hole_from_us,
    bool_or(is_halted) AS halted
  FROM (
    SELECT *, CAST(floor(CAST(minute_us - start_us AS DOUBLE) / 60000000 / cell_minutes) AS BIGINT) AS cell
    FROM sizes
  ) AS placed
  GROUP BY product_id, start_us, minutes_in_all, cell_minutes, cell
),
near AS (
  SELECT
    *,
    CAST(ceil(CAST(minutes_in_all AS DOUBLE) / cell_minutes) AS BIGINT) AS cell_count,
    start_us + (cell + 1) * cell_minutes * 60000000 AS cell_end_us,
    least(cell_minutes, minutes_in_all - cell * cell_minutes) AS minutes_in_cell,
    row_number() OVER (PARTITION BY product_id ORDER BY cell) AS cell_number,
    lead(cell) OVER (PARTITION BY product_id ORDER BY cell) AS next_cell,
    min(hole_from_us) OVER (PARTITION BY product_id ORDER BY cell ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS hole_here_us,
    min(hole_from_us) OVER (PARTITION BY product_id ORDER BY cell ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS hole_after_us,
    CAST(sum(trades) OVER (PARTITION BY product_id) AS BIGINT) AS trades_of_product
  FROM cells
),
letters AS (
  SELECT
    *,
    CASE
      WHEN lost THEN 'x'
      WHEN hole_here_us < cell_end_us THEN 'o'
      WHEN fetched > 0 THEN 'h'
      WHEN testified = 0 AND trades > 0 THEN 't'
      WHEN testified = 0 THEN 'n'
      WHEN watched_whole < minutes_in_cell THEN 'p'
      WHEN halted THEN 'z'
      WHEN trades >= 10000 * minutes_in_cell THEN '9'
      WHEN trades >= 3000 * minutes_in_cell THEN '8'
      WHEN trades >= 1000 * minutes_in_cell THEN '7'
      WHEN trades >= 300 * minutes_in_cell THEN '6'
      WHEN trades >= 100 * minutes_in_cell THEN '5'
      WHEN trades >= 30 * minutes_in_cell THEN '4'
      WHEN trades >= 10 * minutes_in_cell THEN '3'
      WHEN trades >= 3 * minutes_in_cell THEN '2'
      WHEN trades > 0 THEN '1'
      ELSE 'q'
    END AS letter
  FROM near
),
pieces AS (
  SELECT
    product_id, start_us, cell_minutes, cell_count, cell, trades_of_product, letter,
    -- Cells that nothing is known of stand between those of `cells`: before the first, and after each.
    IF(cell_number = 1, rpad('', CAST(cell AS INTEGER), IF(hole_here_us <= start_us, 'o', 'n')), '')
    || letter
    || rpad('', CAST(coalesce(next_cell, cell_count) - cell - 1 AS INTEGER), IF(hole_after_us < cell_end_us, 'o', 'n')) AS piece
  FROM letters
),
strips AS (
  SELECT
    product_id, start_us, cell_minutes, cell_count, trades_of_product,
    count(*) FILTER (WHERE letter IN ('x', 'o')) AS bad_cells,
    array_join(array_agg(piece ORDER BY cell), '') AS states
  FROM pieces
  GROUP BY product_id, start_us, cell_minutes, cell_count, trades_of_product
)
SELECT product_id, start_us, cell_minutes * 60000000 AS cell_us, cell_count AS cells, states, products_in_all
FROM (
  SELECT
    *,
    row_number() OVER (ORDER BY bad_cells DESC, trades_of_product DESC, product_id) AS place,
    count(*) OVER () AS products_in_all
  FROM strips
) AS places
WHERE place <= :products
ORDER BY place
