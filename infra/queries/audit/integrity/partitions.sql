-- Which rows lie in an hour or a kind that is not theirs?
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :skew_us duration, default 5m
-- By the late-data rule (contract/dictionary.md) a row lies in the hour it happened, or in the one it arrived: rows of `mixed`, rows more than a
-- day old then unless they were healed or backfilled, and rows from more than an hour ahead. When it arrived no row says; it was not before it
-- was received (clocks may differ by skew_us). A row of another kind's partition, or of an hour before it happened, is one that views or
-- questions with a beginning do not see: damage. One that lies too late is read all the same: a warning. Judged are the hours audited, as in keys.
SELECT
  IF(fault = 'late', 'warning', 'damage') AS severity,
  CAST(NULL AS VARCHAR) AS product_id,
  session,
  first_us,
  last_us,
  first_id,
  last_id,
  amount,
  CAST(amount AS VARCHAR) || IF(amount = 1, ' row', ' rows') || ' of kind ' || kind || IF(amount = 1, ' lies', ' lie')
  || ' under processed/coinbase/' || lake_kind || '/' || lake_hour
  || CASE fault
    WHEN 'kind' THEN ', which is for another kind'
    WHEN 'early' THEN ', before the hour of what happened: '
    ELSE ', later than the hour of what happened, and not for its arrival: '
  END
  || IF(
    fault = 'kind', '',
    date_format(TIMESTAMP '1970-01-01 00:00:00.000' + first_us / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H') || ' to '
    || date_format(TIMESTAMP '1970-01-01 00:00:00.000' + last_us / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
  ) AS what
FROM (
  SELECT
    session,
    kind,
    lake_kind,
    lake_hour,
    fault,
    min(happened_us) AS first_us,
    max(happened_us) AS last_us,
    min(n) AS first_id,
    max(n) AS last_id,
    count(*) AS amount
  FROM (
    SELECT
      session,
      n,
      kind,
      lake_kind,
      lake_hour,
      happened_us,
      CASE
        WHEN kind <> lake_kind AND lake_kind <> 'mixed' THEN 'kind'
        WHEN start_us IS NULL OR happened_us IS NULL THEN NULL
        WHEN start_us = happened_us - happened_us % 3600000000 AND lake_kind <> 'mixed' THEN NULL
        WHEN start_us + 3600000000 > receive_time_us - :skew_us
          AND (
            lake_kind = 'mixed'
            OR (happened_us < start_us + 3600000000 - 86400000000 AND kind <> 'trade' AND source NOT IN ('rest_heal', 'rest_backfill'))
            OR happened_us - 3600000000 > greatest(start_us, receive_time_us - :skew_us)
          ) THEN NULL
        WHEN start_us + 3600000000 <= happened_us THEN 'early'
        ELSE 'late'
      END AS fault
    FROM (
      SELECT
        session,
        n,
        kind,
        source,
        lake_kind,
        lake_hour,
        receive_time_us,
        coalesce(event_time_us, receive_time_us) AS happened_us,
        1000 * date_diff(
          'millisecond',
          TIMESTAMP '1970-01-01 00:00:00.000',
          TRY_CAST(replace(substr(lake_hour, 1, 10), '/', '-') || ' ' || substr(lake_hour, 12, 2) || ':00:00.000' AS TIMESTAMP)
        ) AS start_us
      FROM processed
      WHERE lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + :from_us / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
        AND lake_hour <= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:to_us - 1) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
    ) AS placed
  ) AS judged
  WHERE fault IS NOT NULL
  GROUP BY session, kind, lake_kind, lake_hour, fault
) AS misplaced
