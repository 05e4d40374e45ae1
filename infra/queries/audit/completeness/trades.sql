-- Is every trade id there, or named as missing?
-- :product text, default every product
-- :from_us instant, default the beginning (reads every hour)
-- :to_us instant, default the end
-- :now_us instant, default the end
-- :settle_us duration, default 20m
-- :lead_us duration, default 1d
-- Coinbase numbers a product's trades without holes. Ids that are absent between two that are there (or beyond them, where a gap line knows of
-- them) are a hole where the latest gap line about them says that they are missing, or where a refused line names them. They are damage where nobody names
-- them, and where that gap line says that they came: unless what came is itself a line that was refused (a fetched one; the ticker that was
-- refused before is no excuse). So is what a refused line names beyond those that are there, or of a product of which nothing is there, where no gap line
-- speaks of it. What a gap line named and is there is healed. Where several holes overlap, as those of two producers do, every reason
-- is said. A hole belongs to the time of the next trade; one whose next trade came within settle_us of now is not judged yet, and a gap line
-- of that age proves nothing of what it says came. Rows are read from lead_us before the time asked for, so that a hole's near side is known. Gap
-- lines are rows of at most a day's age.
WITH steps AS (
  SELECT
    product_id, trade_id, event_time_us, receive_time_us,
    lag(trade_id) OVER (PARTITION BY product_id ORDER BY trade_id, event_time_us, receive_time_us) AS previous_id,
    lag(event_time_us) OVER (PARTITION BY product_id ORDER BY trade_id, event_time_us, receive_time_us) AS previous_us,
    lead(trade_id) OVER (PARTITION BY product_id ORDER BY trade_id, event_time_us, receive_time_us) AS next_id
  FROM (
    SELECT product_id, trade_id, event_time_us, receive_time_us
    FROM processed
    WHERE lake_kind IN ('ticker', 'trade', 'mixed') AND kind IN ('ticker', 'trade')
      AND (:product IS NULL OR product_id = :product)
      AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - :lead_us - 3600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      AND event_time_us >= :from_us - :lead_us AND event_time_us < :to_us + :lead_us
    UNION ALL
    SELECT product_id, trade_id, event_time_us, receive_time_us
    FROM history
    WHERE generation IN (SELECT generation FROM compacted)
      AND (:product IS NULL OR product_id = :product)
      AND event_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - :lead_us - 3600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      AND event_time_us >= :from_us - :lead_us AND event_time_us < :to_us + :lead_us
  ) AS trades
),
-- Where ids are absent: between two, before the first, after the last (as far as anybody could name one).
absences AS (
  SELECT
    product_id, place, previous_us, event_time_us, receive_time_us,
    CASE place WHEN 'between' THEN previous_id + 1 WHEN 'before' THEN 0 ELSE trade_id + 1 END AS first_id,
    IF(place = 'after', 1000000000000000000, trade_id - 1) AS last_id
  FROM steps
  CROSS JOIN (VALUES 'between', 'before', 'after') AS places (place)
  WHERE (trade_id - previous_id > 1 OR previous_id IS NULL OR next_id IS NULL)
    AND CASE place
      WHEN 'between' THEN trade_id - previous_id > 1
      WHEN 'before' THEN previous_id IS NULL AND trade_id > 0
      ELSE next_id IS NULL
    END
),
-- Each session's latest word on each hole (and the latest that is older than settle_us): one line, or several where its ranges did not fit one.
words AS (
  SELECT
    *,
    CAST(first_missing_trade_id AS VARCHAR) || '-' || CAST(last_missing_trade_id AS VARCHAR) AS name,
    coalesce(date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000', after_time) * 1000, receive_time_us) AS far_us,
    date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000', before_time) * 1000 AS near_us
  FROM (
    SELECT
      *,
      rank() OVER (
        PARTITION BY product_id, session, first_missing_trade_id, last_missing_trade_id, receive_time_us < :now_us - :settle_us
        ORDER BY receive_time_us DESC, IF(status = 'open', 1, 0)
      ) AS age
    FROM gaps
    WHERE first_missing_trade_id IS NOT NULL AND last_missing_trade_id IS NOT NULL
      AND (:product IS NULL OR product_id = :product)
      AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - :lead_us - 90000000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
  ) AS ranked
  WHERE age = 1
),
-- Trades in lines that were refused: missing, and named by the refusal.
refused AS (
  SELECT
    coalesce(json_extract_scalar(message, '$.message.product_id'), json_extract_scalar(message, '$.product_id')) AS product_id,
    TRY_CAST(json_extract_scalar(message, '$.message.trade_id') AS BIGINT) AS trade_id,
    IF(kind = 'trade', 'refused_heal', 'refused') AS place,
    reason,
    date_diff(
      'millisecond', TIMESTAMP '1970-01-01 00:00:00.000',
      TRY_CAST(substr(replace(json_extract_scalar(message, '$.message.time'), 'T', ' '), 1, 16) || ':00' AS TIMESTAMP)
    ) * 1000 AS event_us,
    coalesce(
      date_diff(
        'millisecond', TIMESTAMP '1970-01-01 00:00:00.000',
        coalesce(TRY_CAST(substr(replace(json_extract_scalar(message, '$.receive_time'), 'T', ' '), 1, 19) AS TIMESTAMP), arrival_time)
      ) * 1000,
      :from_us
    ) AS at_us
  FROM (
    SELECT kind, IF(kind IN ('ticker', 'trade'), line, NULL) AS message, reason, arrival_time
    FROM refusals
    WHERE lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - :lead_us - 3600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
  ) AS lines
  WHERE message IS NOT NULL
),
-- What each word names, and of that what it says is missing.
told AS (
  SELECT
    product_id, 0 AS is_claim, first_missing_trade_id AS first_id, last_missing_trade_id AS last_id,
    name, session, near_us, far_us, receive_time_us AS known_us, reason, status,
    coalesce(near_us >= :from_us - :lead_us, FALSE) AND far_us < :to_us + :lead_us AS is_inside
  FROM words
  UNION ALL
  SELECT
    w.product_id, 1, element_at(r.pair, 1), element_at(r.pair, 2),
    w.name, w.session, w.near_us, w.far_us, w.receive_time_us, w.reason, w.status,
    coalesce(w.near_us >= :from_us - :lead_us, FALSE) AND w.far_us < :to_us + :lead_us
  FROM words AS w
  CROSS JOIN UNNEST(CAST(json_parse(
    IF(
      w.status = 'healed', '[]',
      coalesce(
        w.still_missing,
        '[[' || CAST(w.first_missing_trade_id AS VARCHAR) || ',' || CAST(w.last_missing_trade_id AS VARCHAR) || ']]'
      )
    )
  ) AS ARRAY(ARRAY(BIGINT)))) AS r (pair)
),
ranges AS (
  SELECT
    product_id, place, first_id, last_id, previous_us AS near_us, event_time_us AS far_us, receive_time_us AS known_us,
    CAST(NULL AS VARCHAR) AS refusal, CAST(NULL AS BIGINT) AS refused_us
  FROM absences
  UNION ALL
  SELECT product_id, IF(is_claim = 1, 'claimed', 'named'), first_id, last_id, NULL, NULL, NULL, NULL, NULL
  FROM told
  UNION ALL
  -- An id that is none would be beyond the end of all. A trade of before the rows that are read may be there: nothing is said of it.
  SELECT
    product_id, place, trade_id, trade_id, NULL, NULL, NULL, reason,
    IF(event_us >= 1325376000000000 AND event_us < :from_us - :lead_us, NULL, at_us)
  FROM refused
  WHERE trade_id BETWEEN 1 AND 999999999999999998 AND (:product IS NULL OR product_id = :product)
),
-- One line of ids per product, cut wherever something begins or ends.
cuts AS (
  SELECT
    product_id,
    IF(step = 1, first_id, last_id + 1) AS id,
    sum(IF(place = 'between', step, 0)) AS between_step,
    sum(IF(place IN ('before', 'after'), step, 0)) AS beyond_step,
    max(IF(place = 'after', 1, 0)) AS is_there,
    sum(IF(place = 'named', step, 0)) AS named_step,
    sum(IF(place IN ('refused', 'refused_heal'), step, 0)) AS refused_step,
    sum(IF(place = 'refused_heal', step, 0)) AS refused_heal_step,
    max(IF(step = 1 AND place = 'between', near_us, NULL)) AS near_us,
    max(IF(step = 1 AND place = 'between', far_us, NULL)) AS far_us,
    max(IF(step = 1 AND place = 'between', known_us, NULL)) AS known_us,
    max(IF(step = 1, refusal, NULL)) AS refusal,
    max(IF(step = 1, refused_us, NULL)) AS refused_us
  FROM ranges
  CROSS JOIN (VALUES 1, -1) AS edges (step)
  GROUP BY product_id, IF(step = 1, first_id, last_id + 1)
),
pieces AS (
  SELECT
    product_id,
    id AS first_id,
    lead(id) OVER (PARTITION BY product_id ORDER BY id) - 1 AS last_id,
    sum(between_step) OVER (PARTITION BY product_id ORDER BY id ROWS UNBOUNDED PRECEDING) AS between_depth,
    sum(beyond_step) OVER (PARTITION BY product_id ORDER BY id ROWS UNBOUNDED PRECEDING)
      + IF(max(is_there) OVER (PARTITION BY product_id) = 1, 0, 1) AS beyond_depth,
    sum(named_step) OVER (PARTITION BY product_id ORDER BY id ROWS UNBOUNDED PRECEDING) AS named_depth,
    sum(refused_step) OVER (PARTITION BY product_id ORDER BY id ROWS UNBOUNDED PRECEDING) AS refused_depth,
    sum(refused_heal_step) OVER (PARTITION BY product_id ORDER BY id ROWS UNBOUNDED PRECEDING) AS refused_heal_depth,
    last_value(near_us) IGNORE NULLS OVER (PARTITION BY product_id ORDER BY id ROWS UNBOUNDED PRECEDING) AS near_us,
    last_value(far_us) IGNORE NULLS OVER (PARTITION BY product_id ORDER BY id ROWS UNBOUNDED PRECEDING) AS far_us,
    last_value(known_us) IGNORE NULLS OVER (PARTITION BY product_id ORDER BY id ROWS UNBOUNDED PRECEDING) AS known_us,
    last_value(refusal) IGNORE NULLS OVER (PARTITION BY product_id ORDER BY id ROWS UNBOUNDED PRECEDING) AS refusal,
    refused_us
  FROM cuts
),
-- What each word says of each piece that it names; what it says came since too short a time is not said yet.
voices AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY product_id, first_id ORDER BY known_us DESC, is_missing DESC, session DESC, name) AS age,
    row_number() OVER (PARTITION BY product_id, first_id, is_inside ORDER BY known_us DESC, is_missing DESC, session DESC, name) AS age_inside
  FROM (
    SELECT
      p.product_id, p.first_id, t.name, t.session, t.near_us, t.far_us, t.known_us, t.reason, t.status, t.is_inside,
      max(t.is_claim) AS is_missing
    FROM pieces AS p
    JOIN told AS t ON t.product_id = p.product_id AND t.first_id <= p.first_id AND t.last_id >= p.last_id
    WHERE p.named_depth > 0 AND p.last_id >= p.first_id
    GROUP BY p.product_id, p.first_id, t.name, t.session, t.near_us, t.far_us, t.known_us, t.reason, t.status, t.is_inside
  ) AS sayings
  WHERE is_missing = 1 OR known_us < :now_us - :settle_us
),
testimony AS (
  SELECT
    product_id, first_id,
    max(IF(age = 1, is_missing, NULL)) AS is_missing,
    max(IF(age_inside = 1 AND is_inside, is_missing, NULL)) AS is_missing_inside,
    max(IF(age = 1, near_us, NULL)) AS near_us,
    max(IF(age = 1, far_us, NULL)) AS far_us,
    max(IF(age = 1, known_us, NULL)) AS known_us,
    max(IF(age = 1, status, NULL)) AS status,
    array_join(array_sort(array_agg(DISTINCT name)), ' ') AS names,
    array_join(array_sort(array_agg(DISTINCT reason)), ' and ') AS reasons,
    array_join(array_sort(array_agg(DISTINCT IF(is_missing = 1, reason, NULL))), ' and ') AS missing_reasons
  FROM voices
  GROUP BY product_id, first_id
),
judged AS (
  SELECT
    product_id, first_id, last_id, names, reasons, missing_reasons, status, refusal, state,
    CASE WHEN between_depth > 0 THEN near_us WHEN state = 'refused' THEN refused_us ELSE name_near_us END AS near_us,
    CASE WHEN between_depth > 0 THEN far_us WHEN state = 'refused' THEN refused_us ELSE name_far_us END AS far_us,
    CASE WHEN between_depth > 0 THEN known_us WHEN state = 'refused' THEN refused_us ELSE name_known_us END AS known_us
  FROM (
    SELECT
      p.*, t.names, t.reasons, t.missing_reasons, t.status,
      t.near_us AS name_near_us, t.far_us AS name_far_us, t.known_us AS name_known_us,
      CASE
        WHEN between_depth > 0 AND is_missing = 1 THEN 'hole'
        WHEN between_depth > 0 AND is_missing = 0 AND refused_heal_depth > 0 THEN 'refused_heal'
        WHEN between_depth > 0 AND is_missing = 0 THEN 'said_to_be_there'
        WHEN between_depth > 0 AND refused_depth > 0 THEN 'refused'
        WHEN between_depth > 0 THEN 'unnamed'
        -- A word that does not know its near side says where nothing lies; what another placed it may say is missing again.
        WHEN beyond_depth > 0 AND (is_missing_inside = 1 OR is_missing_inside = 0 AND is_missing = 1) THEN 'hole'
        WHEN beyond_depth > 0 AND is_missing_inside = 0 AND refused_heal_depth > 0 THEN 'refused_heal'
        WHEN beyond_depth > 0 AND is_missing_inside = 0 THEN 'said_to_be_there'
        WHEN beyond_depth > 0 AND refused_us IS NOT NULL AND t.names IS NULL THEN 'refused'
        WHEN beyond_depth = 0 AND named_depth > 0 AND t.names IS NOT NULL THEN 'healed'
        ELSE 'nothing'
      END AS state
    FROM pieces AS p
    LEFT JOIN testimony AS t ON t.product_id = p.product_id AND t.first_id = p.first_id
    WHERE p.last_id >= p.first_id
  ) AS states
),
-- Pieces of one kind side by side are one hole; what is healed of one hole is one finding.
runs AS (
  SELECT
    *,
    IF(state = 'healed', names, CAST(sum(begins) OVER (PARTITION BY product_id ORDER BY first_id ROWS UNBOUNDED PRECEDING) AS VARCHAR)) AS run
  FROM (
    SELECT
      *,
      IF(
        lag(state) OVER (PARTITION BY product_id ORDER BY first_id) = state
        AND (state = 'refused' OR lag(known_us) OVER (PARTITION BY product_id ORDER BY first_id) = known_us)
        AND (state <> 'hole' OR lag(names) OVER (PARTITION BY product_id ORDER BY first_id) = names),
        0, 1
      ) AS begins
    FROM judged
  ) AS begun
)
SELECT
  CASE WHEN state IN ('hole', 'refused', 'refused_heal') THEN 'hole' WHEN state = 'healed' THEN 'healed' ELSE 'damage' END AS severity,
  product_id,
  CAST(NULL AS VARCHAR) AS session,
  min(near_us) AS first_us,
  max(far_us) AS last_us,
  min(first_id) AS first_id,
  max(last_id) AS last_id,
  CAST(sum(last_id - first_id + 1) AS BIGINT) AS amount,
  CASE state
    WHEN 'hole' THEN 'trades missing: ' || max(missing_reasons) || ' (' || max(status) || ')'
    WHEN 'refused' THEN 'trades missing: their lines were refused, ' || max(refusal)
    WHEN 'refused_heal' THEN 'trades missing: they were fetched, as a gap line says (' || max(reasons) || ', ' || max(status)
      || '), and the lines that brought them were refused, ' || max(refusal)
    WHEN 'healed' THEN 'trades that were missing and are there: ' || max(reasons)
    WHEN 'unnamed' THEN 'trades missing, and no gap line names them'
    ELSE 'trades missing, though a gap line (' || max(reasons) || ', ' || max(status) || ') says that they came'
  END AS what
FROM runs
WHERE state <> 'nothing'
  AND far_us >= :from_us AND far_us < :to_us
  AND known_us < :now_us - :settle_us
GROUP BY product_id, state, run
