-- What the questions mean stands in ../src/questions.rs. class: 1 READ, 2 WRITE, 3 ADMIN; outcome: 0 SUCCESS, 1 DENIED; times in
-- nanoseconds, half-open. An answer is a count and the first 100 by number, unless it says otherwise.

-- schema
CREATE TABLE identities (id integer, owner integer, kind varchar, environment varchar, created bigint, deleted bigint);
CREATE TABLE secrets (id integer, identity integer, issued bigint, revoked bigint);
CREATE TABLE grants (identity integer, class tinyint, resource integer, since bigint, until bigint);
CREATE TABLE runs_as (workload integer, identity integer, since bigint, until bigint);
CREATE TABLE can_assume (identity integer, target integer, since bigint, until bigint);
CREATE TABLE observations (
    event_id varchar, time bigint, identity integer, secret integer, workload integer, class tinyint, resource integer,
    outcome tinyint, region tinyint
);

-- sort_posture
CREATE TABLE sorted AS SELECT * FROM grants ORDER BY class, identity;
DROP TABLE grants;
ALTER TABLE sorted RENAME TO grants;
CREATE TABLE sorted AS SELECT * FROM can_assume ORDER BY identity;
DROP TABLE can_assume;
ALTER TABLE sorted RENAME TO can_assume;

-- sort_observations
CREATE TABLE sorted AS SELECT * FROM observations ORDER BY time;
DROP TABLE observations;
ALTER TABLE sorted RENAME TO observations;

-- Q1
WITH used AS (
    SELECT DISTINCT identity FROM observations WHERE class = 2 AND time >= $t - HOUR AND time < $t AND outcome = 0
), found AS MATERIALIZED (
    SELECT DISTINCT identity FROM grants SEMI JOIN used USING (identity) WHERE class = 2 AND since <= $t AND until > $t
)
SELECT (SELECT count(*) FROM found), ARRAY(SELECT identity FROM found ORDER BY identity LIMIT 100)

-- Q2
WITH holders AS (
    SELECT DISTINCT identity FROM grants WHERE class = 2 AND since <= $t AND until > $t
), seen AS (
    SELECT identity FROM observations WHERE class = 2 AND time >= $t - 30 * DAY AND time < $t
), found AS MATERIALIZED (
    SELECT identity FROM holders ANTI JOIN seen USING (identity)
)
SELECT (SELECT count(*) FROM found), ARRAY(SELECT identity FROM found ORDER BY identity LIMIT 100)

-- Q3
WITH used AS (
    SELECT identity, resource, time FROM observations WHERE class = 2 AND time >= $t - DAY AND time < $t AND outcome = 0
), found AS MATERIALIZED (
    SELECT DISTINCT u.identity FROM used u ANTI JOIN grants g
    ON g.identity = u.identity AND g.resource = u.resource AND g.class IN (2, 3) AND g.since <= u.time AND g.until > u.time
)
SELECT (SELECT count(*) FROM found), ARRAY(SELECT identity FROM found ORDER BY identity LIMIT 100)

-- Those who could, and of them those who did.
-- Q4
WITH used AS (
    SELECT DISTINCT identity FROM observations
    WHERE class = 3 AND resource = $n AND time >= $t - 30 * DAY AND time < $t AND outcome = 0
), could AS MATERIALIZED (
    SELECT identity FROM grants WHERE resource = $n AND class = 3 AND since <= $t AND until > $t
), did AS MATERIALIZED (
    SELECT identity FROM could SEMI JOIN used USING (identity)
)
SELECT (SELECT count(*) FROM could), ARRAY(SELECT identity FROM could ORDER BY identity LIMIT 100),
    (SELECT count(*) FROM did), ARRAY(SELECT identity FROM did ORDER BY identity LIMIT 100)

-- For each day how many grants are held at its start, and by class how often it was seen, done and denied.
-- Q5
WITH by_day AS (
    SELECT (time - START) // DAY AS day,
        count(*) FILTER (WHERE class = 1 AND outcome = 0) AS r0, count(*) FILTER (WHERE class = 1 AND outcome = 1) AS r1,
        count(*) FILTER (WHERE class = 2 AND outcome = 0) AS w0, count(*) FILTER (WHERE class = 2 AND outcome = 1) AS w1,
        count(*) FILTER (WHERE class = 3 AND outcome = 0) AS a0, count(*) FILTER (WHERE class = 3 AND outcome = 1) AS a1
    FROM observations WHERE identity = $n AND time >= START AND time < START + 90 * DAY GROUP BY 1
), mine AS (
    SELECT since, until FROM grants WHERE identity = $n
), held AS (
    SELECT d.day, count(m.since) AS count
    FROM range(90) AS d (day) LEFT JOIN mine m ON m.since <= START + d.day * DAY AND m.until > START + d.day * DAY GROUP BY d.day
)
SELECT h.count, coalesce(r0, 0), coalesce(r1, 0), coalesce(w0, 0), coalesce(w1, 0), coalesce(a0, 0), coalesce(a1, 0)
FROM held h LEFT JOIN by_day b ON b.day = h.day ORDER BY h.day

-- Q6
WITH found AS MATERIALIZED (
    SELECT DISTINCT o.secret FROM observations o JOIN secrets s ON s.id = o.secret AND o.time >= s.revoked
    WHERE o.time >= $t - 7 * DAY AND o.time < $t AND o.outcome = 0 AND s.revoked < $t
)
SELECT (SELECT count(*) FROM found), ARRAY(SELECT secret FROM found ORDER BY secret LIMIT 100)

-- A pair's first success lies in the day, and the secret's own before it.
-- Q7
WITH recent AS (
    SELECT DISTINCT secret FROM observations WHERE time >= $t - DAY AND time < $t AND outcome = 0
), pairs AS (
    SELECT secret, workload, min(time) AS first FROM observations SEMI JOIN recent USING (secret)
    WHERE time < $t AND outcome = 0 GROUP BY secret, workload
), found AS MATERIALIZED (
    SELECT secret FROM pairs GROUP BY secret HAVING max(first) >= $t - DAY AND max(first) > min(first)
)
SELECT (SELECT count(*) FROM found), ARRAY(SELECT secret FROM found ORDER BY secret LIMIT 100)

-- How many identities and resources; the first 100 resources as a text.
-- Q8
WITH RECURSIVE reached (id, hops) AS (
    SELECT $n::integer, 0 UNION SELECT c.target, r.hops + 1 FROM reached r JOIN can_assume c ON c.identity = r.id
    WHERE r.hops < 4 AND c.since <= $t AND c.until > $t
), all_reached AS MATERIALIZED (
    SELECT DISTINCT id FROM reached
), resources AS MATERIALIZED (
    SELECT DISTINCT g.resource FROM grants g SEMI JOIN all_reached r ON g.identity = r.id
    WHERE g.class IN (2, 3) AND g.since <= $t AND g.until > $t
)
SELECT (SELECT count(*) FROM all_reached), (SELECT count(*) FROM resources),
    ARRAY(SELECT resource FROM resources ORDER BY resource LIMIT 100)::varchar

-- Only those with a grant that begins or ends in between can have gained or lost.
-- Q9
WITH changed AS (
    SELECT DISTINCT identity FROM grants
    WHERE class = 2 AND ((since > $t - 7 * DAY AND since <= $t) OR (until > $t - 7 * DAY AND until <= $t))
), found AS MATERIALIZED (
    SELECT identity FROM grants SEMI JOIN changed USING (identity) WHERE class = 2 GROUP BY identity
    HAVING bool_or(since <= $t - 7 * DAY AND until > $t - 7 * DAY) <> bool_or(since <= $t AND until > $t)
)
SELECT (SELECT count(*) FROM found), ARRAY(SELECT identity FROM found ORDER BY identity LIMIT 100)

-- How many identities of the team have such grants; then each such grant of the first 100.
-- Q10
WITH team AS (
    SELECT id FROM identities WHERE owner = $n
), held AS (
    SELECT identity, resource, class FROM grants SEMI JOIN team ON identity = id WHERE since <= $t AND until > $t
), used AS (
    SELECT identity, resource, class FROM observations SEMI JOIN team ON identity = id
    WHERE time >= $t - 90 * DAY AND time < $t AND outcome = 0
), unused AS MATERIALIZED (
    SELECT identity, resource, class FROM held ANTI JOIN used USING (identity, resource, class)
), first AS (
    SELECT DISTINCT identity FROM unused ORDER BY identity LIMIT 100
)
SELECT (SELECT count(DISTINCT identity) FROM unused), ARRAY(
    SELECT [identity, resource, class] FROM unused SEMI JOIN first USING (identity) ORDER BY identity, resource, class)
