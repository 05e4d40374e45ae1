-- How many lines were refused, and for which reasons?
-- :from_us instant, default the beginning (reads every hour)
-- :to_us instant, default the end
-- Hours are those of arrival, whole ones. passing_today counts lines that today's transform would accept (known at home only).
SELECT
  reason, error_type, error_code,
  count(*) AS lines,
  count(*) FILTER (WHERE passes_today) AS passing_today,
  count(DISTINCT session) AS sessions,
  min(lake_hour) AS first_hour,
  max(lake_hour) AS last_hour,
  min(line) AS example
FROM refusals
WHERE lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + :from_us / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
  AND lake_hour <= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + :to_us / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
GROUP BY reason, error_type, error_code
ORDER BY lines DESC, reason, error_type, error_code
