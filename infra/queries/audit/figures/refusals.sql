-- Which reasons of refusal were there, how often, and what did such a line say?
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :reasons count, default 50
-- One row per reason, at most :reasons of them; lines_in_all counts the lines of every one. Hours are those of arrival, whole ones. The example is
-- the head of a line, as it was sent: nobody has judged what it says.
SELECT reason, lines, passing_today, sessions, first_hour, last_hour, example, lines_in_all
FROM (
  SELECT
    counted.*,
    row_number() OVER (ORDER BY lines DESC, reason) AS place,
    CAST(sum(lines) OVER () AS BIGINT) AS lines_in_all
  FROM (
    SELECT
      coalesce(reason, error_type, 'unknown') AS reason,
      count(*) AS lines,
      count(*) FILTER (WHERE passes_today) AS passing_today,
      count(DISTINCT session) AS sessions,
      min(lake_hour) AS first_hour,
      max(lake_hour) AS last_hour,
      substr(min(line), 1, 300) AS example
    FROM refusals
    WHERE lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + :from_us / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      AND lake_hour <= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + :to_us / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
    GROUP BY coalesce(reason, error_type, 'unknown')
  ) AS counted
) AS places
WHERE place <= :reasons
ORDER BY place
