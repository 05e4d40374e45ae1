-- Is every line that was sent a row or a refusal, and was everything that is there sent?
-- :from_us instant, default the beginning (reads every hour)
-- :to_us instant, default the end
-- :now_us instant, default the end
-- :settle_us duration, default 20m
-- :reach_us duration, default 7d
-- :late_us duration, default 7d
-- :raw_kept_us duration, default 30d
-- raw/ = rows and refusals, by (session, n), summed by the hour in which our socket had them; each finding names the first and last n of its
-- hour and counts what it means. Lines received within settle_us of now may be on their way and are left out. A row whose line is not in raw/
-- is damage; before the first hour that raw/ has and older than raw_kept_us it is a notice: a lifecycle rule may have deleted it. Copies of a
-- line are normal (at least once), and a notice. Lines without a name (no JSON of ours) are compared by their number. Left out are trades from
-- REST that happened more than reach_us before the time asked for, and what arrived more than late_us after it.
WITH lines AS (
  -- Our envelope, cut at its quotes: the 6th piece is the session, the 9th has n, the 12th is the kind, the 20th when our socket had it.
  SELECT
    coalesce(IF(is_ours, element_at(head, 6), NULL), json_extract_scalar(message, '$.session')) AS session,
    TRY_CAST(coalesce(IF(is_ours, replace(substr(element_at(head, 9), 2), ',', ''), NULL), json_extract_scalar(message, '$.n')) AS BIGINT) AS n,
    coalesce(IF(is_ours, element_at(head, 20), NULL), json_extract_scalar(message, '$.receive_time')) AS receive_time,
    CAST(NULL AS BIGINT) AS receive_time_us,
    IF(
      :from_us > 0 AND is_ours AND element_at(head, 12) = 'trade',
      regexp_extract(line, '"time":"([^"]+)"', 1) < date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - :reach_us + 3600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y-%m-%dT%H'),
      FALSE
    ) AS is_old,
    lake_hour AS raw_hour,
    1 AS sent,
    0 AS landed,
    0 AS refused
  FROM (
    SELECT *, IF(is_ours, NULL, IF(TRY(json_parse(line)) IS NULL, NULL, line)) AS message
    FROM (
      SELECT
        line, lake_hour, head,
        coalesce(element_at(head, 4) = 'session' AND element_at(head, 8) = 'n' AND element_at(head, 10) = 'kind' AND element_at(head, 18) = 'receive_time', FALSE) AS is_ours
      FROM (
        SELECT line, lake_hour, split(substr(line, 1, 180), '"') AS head
        FROM raw
        WHERE lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 3600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
          AND lake_hour <= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:to_us + :late_us) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      ) AS heads
    ) AS recognised
  ) AS parsed
  UNION ALL
  SELECT session, n, NULL, receive_time_us, FALSE, NULL, 0, 1, 0
  FROM processed
  WHERE session IS NOT NULL AND n IS NOT NULL AND kind <> 'refused'
    AND receive_time_us >= :from_us AND receive_time_us < :to_us
    AND (
      lake_kind <> 'trade'
      AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 93600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      OR lake_kind = 'trade'
      AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - :reach_us) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
    )
  UNION ALL
  SELECT session, n, regexp_extract(line, '"receive_time":"([^"]+)"', 1), NULL, FALSE, NULL, 0, 0, 1
  FROM refusals
  WHERE lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 3600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
    AND lake_hour <= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:to_us + :late_us) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
),
names AS (
  SELECT
    session, n,
    coalesce(max(receive_time_us), date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000', TRY_CAST(substr(replace(max(receive_time), 'T', ' '), 1, 23) AS TIMESTAMP)) * 1000 + TRY_CAST(substr(replace(max(receive_time), 'T', ' '), 24, 3) AS BIGINT)) AS at_us,
    max(is_old) AS is_old,
    min(raw_hour) AS raw_hour,
    sum(sent) AS sent,
    sum(landed) AS landed,
    sum(refused) AS refused
  FROM (
    SELECT
      IF(n IS NULL, NULL, session) AS session, IF(session IS NULL, NULL, n) AS n, receive_time, receive_time_us,
      IF(is_old, 1, 0) AS is_old, raw_hour, sent, landed, refused
    FROM lines
  ) AS named
  GROUP BY session, n
),
judged AS (
  SELECT
    session, n, at_us, raw_hour,
    at_us - at_us % 3600000000 AS hour_us,
    CASE
      WHEN session IS NULL THEN IF(sent > refused, 'lost', 'fine')
      WHEN sent = 0 THEN 'unsent'
      WHEN landed + refused = 0 AND is_old = 0 THEN 'lost'
      WHEN landed > 1 THEN 'copies'
      ELSE 'fine'
    END AS state,
    CASE WHEN session IS NULL THEN sent - refused WHEN landed > 1 AND sent > 0 THEN landed - 1 ELSE 1 END AS amount
  FROM names
  WHERE session IS NULL OR at_us >= :from_us AND at_us < :to_us AND at_us < :now_us - :settle_us
),
hours AS (
  SELECT
    session, state, hour_us,
    min(at_us) AS first_us,
    max(at_us) AS last_us,
    min(n) AS first_id,
    max(n) AS last_id,
    sum(amount) AS amount,
    min(min(raw_hour)) OVER () AS raw_from
  FROM judged
  GROUP BY session, state, hour_us
)
SELECT
  CASE
    WHEN state = 'copies' THEN 'notice'
    WHEN state = 'unsent' AND last_us < :now_us - :raw_kept_us
    AND coalesce(date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (hour_us) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H') < raw_from, TRUE) THEN 'notice'
    ELSE 'damage'
  END AS severity,
  CAST(NULL AS VARCHAR) AS product_id,
  session,
  first_us,
  last_us,
  first_id,
  last_id,
  CAST(amount AS BIGINT) AS amount,
  CASE
    WHEN session IS NULL THEN 'lines without a name in raw/ that no refusal accounts for'
    WHEN state = 'copies' THEN 'lines delivered again: copies of rows'
    WHEN state = 'lost' THEN 'lines in raw/ that are neither rows nor refusals'
    WHEN last_us < :now_us - :raw_kept_us AND coalesce(date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (hour_us) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H') < raw_from, TRUE)
    THEN 'rows or refusals whose lines raw/ does not keep any more'
    ELSE 'rows or refusals whose lines are not in raw/'
  END AS what
FROM hours
WHERE state <> 'fine'
