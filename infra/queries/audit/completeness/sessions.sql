-- Is every line of every session there, as a row or as a refusal?
-- :from_us instant, default the beginning (reads every hour)
-- :to_us instant, default the end
-- :now_us instant, default the end
-- :settle_us duration, default 20m
-- :reach_us duration, default 7d
-- A session's lines are numbered 0, 1, 2 … without a hole: a number that is neither a row nor a refusal, before one that is, is damage, unless
-- the closing line says that Firehose refused as many for good, beside those that testimony names. What a line of testimony names as lost (lines_lost:
-- Firehose refused it for good, or the producer's disk was damaged) is a hole. A hole belongs to the time the next line was received; one whose next line was
-- received within settle_us of now is not judged yet: lines overtake each other on their way. Lines are read from a day and two hours before the
-- time asked for (late-data rule), trades from REST from reach_us before it; of such trades that happened earlier still raw/ is proof
-- enough here. A session without a closing line is running, or was killed: a notice once it has been silent for settle_us.
WITH lines AS (
  SELECT session, n, receive_time_us, 1 AS is_row, IF(kind = 'session', detail, NULL) AS testimony
  FROM processed
  WHERE session IS NOT NULL AND n IS NOT NULL
    AND (
      lake_kind <> 'trade'
      AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 93600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      OR lake_kind = 'trade'
      AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - :reach_us) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
    )
  UNION ALL
  SELECT session, n, NULL, 0, NULL
  FROM refusals
  WHERE session IS NOT NULL AND n IS NOT NULL
    AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 93600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
  UNION ALL
  -- Trades healed or backfilled for a time before the hours that were read above.
  SELECT session, n, NULL, 0, NULL
  FROM (
    SELECT
      regexp_extract(line, '"session":"([0-9A-Z]{26})"', 1) AS session,
      TRY_CAST(regexp_extract(line, '"n":([0-9]+)', 1) AS BIGINT) AS n,
      regexp_extract(line, '"time":"([^"]+)"', 1) AS event_time
    FROM raw
    WHERE :from_us > 0
      AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 93600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      AND regexp_like(line, '^\{"v":1,"session":"[0-9A-Z]{26}","n":[0-9]+,"kind":"trade",.*\}$')
  ) AS old
  WHERE event_time < date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - :reach_us + 3600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y-%m-%dT%H')
),
-- Ranges of lines that a producer says are lost, its own or those of a session before it.
lost AS (
  SELECT
    json_extract_scalar(t.testimony, '$.of_session') AS session,
    element_at(r.pair, 1) AS first_n,
    element_at(r.pair, 2) AS last_n,
    min(t.receive_time_us) AS told_us,
    min(json_extract_scalar(t.testimony, '$.why')) AS why
  FROM lines AS t
  CROSS JOIN UNNEST(CAST(json_parse(coalesce(json_format(json_extract(t.testimony, '$.lost')), '[]')) AS ARRAY(ARRAY(BIGINT)))) AS r (pair)
  WHERE json_extract_scalar(t.testimony, '$.event') = 'lines_lost'
  GROUP BY 1, 2, 3
),
-- How many lines of each session those are, each once: what was sent again after a crash may be told again, in other ranges.
told AS (
  SELECT session, CAST(sum(greatest(0, last_n - greatest(first_n - 1, coalesce(previous_n, -1)))) AS BIGINT) AS lines
  FROM (
    SELECT
      session, first_n, last_n,
      max(last_n) OVER (PARTITION BY session ORDER BY first_n, last_n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS previous_n
    FROM lost
  ) AS ranges
  GROUP BY session
),
steps AS (
  SELECT
    session, last_n AS n, first_n, told_us, why,
    max(receive_time_us) OVER (PARTITION BY session ORDER BY first_n, last_n ROWS UNBOUNDED PRECEDING) AS at_us,
    max(receive_time_us) OVER (PARTITION BY session ORDER BY first_n, last_n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS previous_us,
    max(last_n) OVER (PARTITION BY session ORDER BY first_n, last_n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS previous_n,
    lead(first_n) OVER (PARTITION BY session ORDER BY first_n, last_n) AS next_n,
    -- Of a closing line: what the session wrote and Firehose refused for good.
    max(closing) OVER (PARTITION BY session) AS closing
  FROM (
    SELECT
      session, n AS first_n, n AS last_n, receive_time_us, CAST(NULL AS BIGINT) AS told_us, CAST(NULL AS VARCHAR) AS why,
      IF(json_extract_scalar(testimony, '$.event') = 'closed', testimony, NULL) AS closing
    FROM lines
    UNION ALL
    SELECT session, first_n, last_n, NULL, told_us, why, NULL
    FROM lost
  ) AS told_and_held
),
edges AS (
  SELECT
    session, n, first_n, at_us, previous_us, previous_n, next_n, closing,
    -- A session is named by a ULID, whose first ten letters are the milliseconds at which it began.
    (
      (strpos('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(session, 1, 1)) - 1) * 35184372088832
      + (strpos('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(session, 2, 1)) - 1) * 1099511627776
      + (strpos('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(session, 3, 1)) - 1) * 34359738368
      + (strpos('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(session, 4, 1)) - 1) * 1073741824
      + (strpos('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(session, 5, 1)) - 1) * 33554432
      + (strpos('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(session, 6, 1)) - 1) * 1048576
      + (strpos('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(session, 7, 1)) - 1) * 32768
      + (strpos('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(session, 8, 1)) - 1) * 1024
      + (strpos('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(session, 9, 1)) - 1) * 32
      + (strpos('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(session, 10, 1)) - 1)
    ) * 1000 AS began_us
  FROM steps
  WHERE first_n - previous_n > 1 OR previous_n IS NULL AND first_n > 0 OR next_n IS NULL
),
found AS (
  SELECT
    e.session, at_us, closing, previous_us,
    coalesce(previous_n + 1, 0) AS first_id,
    first_n - 1 AS last_id,
    CAST(json_extract_scalar(closing, '$.lines') AS BIGINT) - CAST(json_extract_scalar(closing, '$.delivered') AS BIGINT)
    - CAST(json_extract_scalar(closing, '$.pending') AS BIGINT) - coalesce(t.lines, 0) AS refused,
    sum(first_n - coalesce(previous_n, -1) - 1) OVER (PARTITION BY e.session) AS missing,
    first_n - coalesce(previous_n, -1) - 1 AS amount,
    'missing' AS state
  FROM edges AS e
  LEFT JOIN told AS t ON t.session = e.session
  WHERE first_n - previous_n > 1 OR previous_n IS NULL AND first_n > 0 AND began_us >= :from_us - 3600000000
  UNION ALL
  SELECT session, at_us, closing, at_us, n, n, 0, 0, 1, 'not_closed'
  FROM edges
  WHERE next_n IS NULL AND closing IS NULL
  UNION ALL
  SELECT
    s.session, coalesce(s.at_us, s.told_us), NULL, s.at_us, s.begin_n, s.n, 0, 0, s.n - s.begin_n + 1 - count(DISTINCT l.n),
    IF(s.why = 'refused_by_firehose', 'refused', 'lost')
  FROM (
    SELECT *, greatest(first_n, coalesce(previous_n, -1) + 1) AS begin_n
    FROM steps
    WHERE told_us IS NOT NULL
  ) AS s
  LEFT JOIN lines AS l ON l.session = s.session AND l.n BETWEEN s.begin_n AND s.n
  GROUP BY s.session, s.at_us, s.told_us, s.begin_n, s.n, s.why
)
SELECT
  CASE WHEN state = 'not_closed' THEN 'notice' WHEN state IN ('lost', 'refused') OR refused >= missing THEN 'hole' ELSE 'damage' END AS severity,
  CAST(NULL AS VARCHAR) AS product_id,
  session,
  previous_us AS first_us,
  at_us AS last_us,
  first_id,
  last_id,
  amount,
  CASE
    WHEN state = 'not_closed' THEN 'session without a closing line, silent since this line: it was killed, or cannot be heard'
    WHEN state = 'lost' THEN 'lines lost to damage on the producer''s disk, says a line of testimony'
    WHEN state = 'refused' THEN 'lines that Firehose refused for good, says a line of testimony'
    WHEN refused >= missing THEN 'lines missing: Firehose refused as many for good, says the closing line'
    ELSE 'lines missing: neither a row nor a refusal'
  END AS what
FROM found
WHERE amount > 0 AND at_us >= :from_us AND at_us < :to_us AND at_us < :now_us - :settle_us
