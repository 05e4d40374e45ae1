-- Do the sessions' own accounts balance, and does the lake hold what they count?
-- :from_us instant, default the beginning (reads every hour)
-- :to_us instant, default the end
-- :now_us instant, default the end
-- :settle_us duration, default 20m
-- :reach_us duration, default 7d
-- A closing line counts the lines before it: its own number, the same by kind, and what became of them. Its lines are counted in the lake (rows and
-- refusals, each once) where the session began within the hours read. Fewer by no more than Firehose refused for good, or lines of
-- testimony name as refused or as lost to damage on the producer's disk, is a hole, else damage.
-- Sessions closed within settle_us of now are left out.
WITH lines AS (
  SELECT session, n, max(kind) AS kind
  FROM (
    SELECT session, n, kind
    FROM processed
    WHERE session IS NOT NULL AND n IS NOT NULL AND kind <> 'refused'
      AND (
        lake_kind <> 'trade'
        AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 93600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
        OR lake_kind = 'trade'
        AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - :reach_us) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      )
    UNION ALL
    SELECT session, n, kind
    FROM refusals
    WHERE session IS NOT NULL AND n IS NOT NULL
      AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 93600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
  ) AS copies
  GROUP BY session, n
),
-- Lines that a producer says are lost, its own or those of a session before it; of its own the closing line counts those known by then, too.
lost AS (
  SELECT
    session,
    CAST(sum(IF(is_refused = 1, lines, 0)) AS BIGINT) AS refused,
    CAST(sum(IF(is_refused = 0, lines, 0)) AS BIGINT) AS damaged
  FROM (
    SELECT
      session, is_refused,
      -- Each number once: what was sent again after a crash may be told again, in other ranges.
      greatest(0, last_n - greatest(
        first_n - 1,
        coalesce(max(last_n) OVER (PARTITION BY session ORDER BY first_n, last_n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), -1)
      )) AS lines
    FROM (
      SELECT
        json_extract_scalar(t.detail, '$.of_session') AS session,
        element_at(r.pair, 1) AS first_n,
        element_at(r.pair, 2) AS last_n,
        max(IF(json_extract_scalar(t.detail, '$.why') = 'refused_by_firehose', 1, 0)) AS is_refused
      FROM processed AS t
      CROSS JOIN UNNEST(CAST(json_parse(coalesce(json_format(json_extract(t.detail, '$.lost')), '[]')) AS ARRAY(ARRAY(BIGINT)))) AS r (pair)
      WHERE t.kind = 'session'
        AND t.lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 93600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
        AND json_extract_scalar(t.detail, '$.event') = 'lines_lost'
      GROUP BY 1, 2, 3
    ) AS ranges
  ) AS told
  GROUP BY session
),
closings AS (
  SELECT
    session, n, receive_time_us, lines AS said, delivered, pending, by_kind,
    lines - delivered - pending AS refused,
    coalesce(TRY_CAST(json_extract_scalar(refused, '$.journal_damaged') AS BIGINT), 0) AS damaged,
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
  FROM sessions
  WHERE event = 'closed'
    AND receive_time_us >= :from_us AND receive_time_us < :to_us AND receive_time_us < :now_us - :settle_us
    AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 93600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
),
counts AS (
  SELECT c.session, c.n, c.receive_time_us, c.began_us, l.kind, count(*) AS held
  FROM closings AS c
  JOIN lines AS l ON l.session = c.session AND l.n < c.n
  WHERE c.began_us >= :from_us - 86400000000
  GROUP BY c.session, c.n, c.receive_time_us, c.began_us, l.kind
),
compared AS (
  SELECT
    a.session, a.n, a.receive_time_us, a.began_us, a.kind, a.said,
    greatest(a.refused - a.damaged, coalesce(o.refused, 0)) + greatest(a.damaged, coalesce(o.damaged, 0)) AS excused,
    coalesce(c.held, 0) AS held,
    sum(a.said - coalesce(c.held, 0)) OVER (PARTITION BY a.session) AS short
  FROM (
    SELECT
      session, n, receive_time_us, began_us, refused, damaged, kind,
      coalesce(CASE kind
        WHEN 'ticker' THEN TRY_CAST(json_extract_scalar(by_kind, '$.ticker') AS BIGINT)
        WHEN 'trade' THEN TRY_CAST(json_extract_scalar(by_kind, '$.trade') AS BIGINT)
        WHEN 'spot' THEN TRY_CAST(json_extract_scalar(by_kind, '$.spot') AS BIGINT)
        WHEN 'gap' THEN TRY_CAST(json_extract_scalar(by_kind, '$.gap') AS BIGINT)
        WHEN 'coverage' THEN TRY_CAST(json_extract_scalar(by_kind, '$.coverage') AS BIGINT)
        WHEN 'session' THEN TRY_CAST(json_extract_scalar(by_kind, '$.session') AS BIGINT)
        WHEN 'unreadable' THEN TRY_CAST(json_extract_scalar(by_kind, '$.unreadable') AS BIGINT)
      END, 0) AS said
    FROM closings
    CROSS JOIN (VALUES 'ticker', 'trade', 'spot', 'gap', 'coverage', 'session', 'unreadable') AS kinds (kind)
    WHERE began_us >= :from_us - 86400000000
  ) AS a
  LEFT JOIN counts AS c ON c.session = a.session AND c.kind = a.kind
  LEFT JOIN lost AS o ON o.session = a.session
)
SELECT
  IF(short BETWEEN 1 AND excused AND held < said, 'hole', 'damage') AS severity,
  CAST(NULL AS VARCHAR) AS product_id,
  session,
  began_us AS first_us,
  receive_time_us AS last_us,
  CAST(0 AS BIGINT) AS first_id,
  n AS last_id,
  abs(said - held) AS amount,
  'lines of kind ' || kind || ': the session wrote ' || CAST(said AS VARCHAR) || ', the lake holds ' || CAST(held AS VARCHAR)
  || IF(short BETWEEN 1 AND excused AND held < said, '; as many were refused for good or lost, by name', '') AS what
FROM compared
WHERE said <> held
UNION ALL
SELECT
  'damage', CAST(NULL AS VARCHAR), session, began_us, receive_time_us, CAST(0 AS BIGINT), n, abs(said - n),
  'the closing line is number ' || CAST(n AS VARCHAR) || ' and counts ' || CAST(said AS VARCHAR) || ' lines before it, of which '
  || CAST(delivered AS VARCHAR) || ' delivered and ' || CAST(pending AS VARCHAR) || ' pending'
FROM closings
WHERE said <> n OR refused < 0
