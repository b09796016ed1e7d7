-- What the questions mean stands in ../src/questions.rs. class: 1 READ, 2 WRITE, 3 ADMIN; outcome: 0 SUCCESS, 1 DENIED; times in
-- nanoseconds, half-open. An answer is a count and the first 100 by number, unless it says otherwise.

-- schema
CREATE TABLE identities (id integer, owner integer, kind text, environment text, created bigint, deleted bigint);
CREATE TABLE secrets (id integer, identity integer, issued bigint, revoked bigint);
CREATE TABLE grants (identity integer, class smallint, resource integer, since bigint, until bigint);
CREATE TABLE runs_as (workload integer, identity integer, since bigint, until bigint);
CREATE TABLE can_assume (identity integer, target integer, since bigint, until bigint);
CREATE TABLE observations (
    event_id text, time bigint, identity integer, secret integer, workload integer, class smallint, resource integer,
    outcome smallint, region smallint
);

-- indexes
CREATE UNIQUE INDEX ON identities (id);
CREATE INDEX ON identities (owner) INCLUDE (id);
CREATE UNIQUE INDEX ON secrets (id) INCLUDE (revoked);
CREATE INDEX ON runs_as (workload, since);
CREATE INDEX ON runs_as (identity, since);
CREATE INDEX ON can_assume (identity) INCLUDE (target, since, until);
CREATE INDEX ON grants (identity, resource, class) INCLUDE (since, until);
CREATE INDEX ON grants (class, identity, resource) INCLUDE (since, until);
CREATE INDEX ON grants (class, since) INCLUDE (identity, resource, until);
CREATE INDEX ON grants (class, until) INCLUDE (identity, resource, since);
CREATE INDEX ON grants (resource, class) INCLUDE (identity, since, until);
CREATE INDEX ON observations (class, time) INCLUDE (identity, resource, outcome);
CREATE INDEX ON observations (identity, time) INCLUDE (class, resource, outcome);
CREATE INDEX ON observations (secret, workload, time) INCLUDE (outcome);
CREATE INDEX ON observations (identity, time) WHERE class = 2;
CREATE INDEX ON observations (resource, time) INCLUDE (identity, outcome) WHERE class = 3;
CREATE INDEX ON observations USING brin (time);

-- Q1
WITH used AS (
    SELECT DISTINCT identity FROM observations WHERE class = 2 AND time >= $t - HOUR AND time < $t AND outcome = 0
), found AS (
    SELECT identity FROM used u WHERE EXISTS (
        SELECT FROM grants g WHERE g.class = 2 AND g.identity = u.identity AND g.since <= $t AND g.until > $t)
)
SELECT (SELECT count(*) FROM found), ARRAY(SELECT identity FROM found ORDER BY identity LIMIT 100)

-- Q2
WITH holders AS (
    SELECT DISTINCT identity FROM grants WHERE class = 2 AND since <= $t AND until > $t ORDER BY identity
), found AS (
    SELECT h.identity FROM holders h LEFT JOIN LATERAL (
        SELECT true AS seen FROM observations o
        WHERE o.class = 2 AND o.identity = h.identity AND o.time >= $t - 30 * DAY AND o.time < $t
        ORDER BY o.time LIMIT 1
    ) o ON true WHERE o.seen IS NULL
)
SELECT (SELECT count(*) FROM found), ARRAY(SELECT identity FROM found ORDER BY identity LIMIT 100)

-- Q3
WITH found AS (
    SELECT DISTINCT o.identity FROM observations o
    WHERE o.class = 2 AND o.time >= $t - DAY AND o.time < $t AND o.outcome = 0 AND NOT EXISTS (
        SELECT FROM grants g WHERE g.identity = o.identity AND g.resource = o.resource AND g.class IN (2, 3)
            AND g.since <= o.time AND g.until > o.time)
)
SELECT (SELECT count(*) FROM found), ARRAY(SELECT identity FROM found ORDER BY identity LIMIT 100)

-- Those who could, and of them those who did.
-- Q4
WITH did AS (
    SELECT DISTINCT identity FROM observations
    WHERE class = 3 AND resource = $n AND time >= $t - 30 * DAY AND time < $t AND outcome = 0
), found AS (
    SELECT g.identity, d.identity IS NOT NULL AS did FROM grants g LEFT JOIN did d USING (identity)
    WHERE g.resource = $n AND g.class = 3 AND g.since <= $t AND g.until > $t
)
SELECT (SELECT count(*) FROM found), ARRAY(SELECT identity FROM found ORDER BY identity LIMIT 100),
    (SELECT count(*) FROM found WHERE did), ARRAY(SELECT identity FROM found WHERE did ORDER BY identity LIMIT 100)

-- For each day how many grants are held at its start, and by class how often it was seen, done and denied.
-- Q5
WITH seen AS (
    SELECT (time - START) / DAY AS day, class, outcome, count(*) AS count FROM observations
    WHERE identity = $n AND time >= START AND time < START + 90 * DAY GROUP BY 1, 2, 3
), by_day AS (
    SELECT day,
        coalesce(sum(count) FILTER (WHERE class = 1 AND outcome = 0), 0) AS r0,
        coalesce(sum(count) FILTER (WHERE class = 1 AND outcome = 1), 0) AS r1,
        coalesce(sum(count) FILTER (WHERE class = 2 AND outcome = 0), 0) AS w0,
        coalesce(sum(count) FILTER (WHERE class = 2 AND outcome = 1), 0) AS w1,
        coalesce(sum(count) FILTER (WHERE class = 3 AND outcome = 0), 0) AS a0,
        coalesce(sum(count) FILTER (WHERE class = 3 AND outcome = 1), 0) AS a1
    FROM seen GROUP BY day
)
SELECT (SELECT count(*) FROM grants g WHERE g.identity = $n AND g.since <= START + d.day * DAY AND g.until > START + d.day * DAY),
    coalesce(r0, 0), coalesce(r1, 0), coalesce(w0, 0), coalesce(w1, 0), coalesce(a0, 0), coalesce(a1, 0)
FROM generate_series(0, 89) AS d (day) LEFT JOIN by_day b ON b.day = d.day ORDER BY d.day

-- Q6
WITH found AS (
    SELECT DISTINCT o.secret FROM observations o JOIN secrets s ON s.id = o.secret
    WHERE o.time >= $t - 7 * DAY AND o.time < $t AND o.outcome = 0 AND o.time >= s.revoked
)
SELECT (SELECT count(*) FROM found), ARRAY(SELECT secret FROM found ORDER BY secret LIMIT 100)

-- The pair's first success lies in the day, and the secret's own before it.
-- Q7
WITH pairs AS (
    SELECT secret, workload, min(time) AS first FROM observations
    WHERE time >= $t - DAY AND time < $t AND outcome = 0 GROUP BY secret, workload
), fresh AS (
    SELECT * FROM pairs p WHERE NOT EXISTS (
        SELECT FROM observations o
        WHERE o.secret = p.secret AND o.workload = p.workload AND o.time < $t - DAY AND o.outcome = 0)
), found AS (
    SELECT DISTINCT f.secret FROM fresh f WHERE EXISTS (
        SELECT FROM observations o WHERE o.secret = f.secret AND o.time < f.first AND o.outcome = 0)
)
SELECT (SELECT count(*) FROM found), ARRAY(SELECT secret FROM found ORDER BY secret LIMIT 100)

-- How many identities and resources; the first 100 resources as a text.
-- Q8
WITH RECURSIVE reached (id, hops) AS (
    SELECT $n, 0 UNION SELECT c.target, r.hops + 1 FROM reached r JOIN can_assume c ON c.identity = r.id
    WHERE r.hops < 4 AND c.since <= $t AND c.until > $t
), identities AS (
    SELECT DISTINCT id FROM reached
), resources AS (
    SELECT DISTINCT g.resource FROM identities i JOIN grants g ON g.identity = i.id
    WHERE g.class IN (2, 3) AND g.since <= $t AND g.until > $t
)
SELECT (SELECT count(*) FROM identities), (SELECT count(*) FROM resources),
    ARRAY(SELECT resource FROM resources ORDER BY resource LIMIT 100)::text

-- Only those with a grant that begins or ends in between can have gained or lost.
-- Q9
WITH changed AS (
    SELECT identity FROM grants WHERE class = 2 AND since > $t - 7 * DAY AND since <= $t
    UNION SELECT identity FROM grants WHERE class = 2 AND until > $t - 7 * DAY AND until <= $t
), found AS (
    SELECT c.identity FROM changed c WHERE EXISTS (
        SELECT FROM grants g WHERE g.class = 2 AND g.identity = c.identity AND g.since <= $t - 7 * DAY AND g.until > $t - 7 * DAY
    ) <> EXISTS (
        SELECT FROM grants g WHERE g.class = 2 AND g.identity = c.identity AND g.since <= $t AND g.until > $t)
)
SELECT (SELECT count(*) FROM found), ARRAY(SELECT identity FROM found ORDER BY identity LIMIT 100)

-- How many identities of the team have such grants; then each such grant of the first 100.
-- Q10
WITH unused AS (
    SELECT g.identity, g.resource, g.class FROM identities i JOIN grants g ON g.identity = i.id
    WHERE i.owner = $n AND g.since <= $t AND g.until > $t AND NOT EXISTS (
        SELECT FROM observations o WHERE o.identity = g.identity AND o.time >= $t - 90 * DAY AND o.time < $t
            AND o.class = g.class AND o.resource = g.resource AND o.outcome = 0)
), first AS (
    SELECT DISTINCT identity FROM unused ORDER BY identity LIMIT 100
)
SELECT (SELECT count(DISTINCT identity) FROM unused), ARRAY(
    SELECT ARRAY[identity, resource, class] FROM unused JOIN first USING (identity) ORDER BY identity, resource, class)
