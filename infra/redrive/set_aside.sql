-- Which refused lines were set aside among rows?
-- :first_hour text, default 1970/01/01/00
-- :last_hour text, default 9999/12/31/23
-- A bad line inside a pack that Firehose did not divide; `detail` has its text and reason. The hours are those it arrived in.
SELECT detail
FROM processed
WHERE lake_kind = 'mixed' AND kind = 'refused' AND lake_hour >= :first_hour AND lake_hour <= :last_hour
ORDER BY lake_hour, session, n, detail
