// The audits of the GraphQL-over-HTTP specification. Every MUST passes; what else does not pass has its reason in
// audit-reasons.json, and nothing has one there that passes.

import { readFileSync } from "node:fs";
import { serverAudits } from "graphql-http";

const REASONS = JSON.parse(readFileSync(new URL("audit-reasons.json", import.meta.url), "utf8"));

function reasonsById() {
  const byId = new Map();
  for (const { reason, audits } of REASONS) {
    for (const id of audits) {
      if (byId.has(id)) throw new Error(`audit-reasons.json gives ${id} two reasons`);
      byId.set(id, reason);
    }
  }
  return byId;
}

/** Runs them all, and gives what is wrong as lines of text. */
export async function audit(url) {
  const wrong = [];
  const reasons = reasonsById();
  const passed = { MUST: 0, SHOULD: 0, MAY: 0 };
  const excused = new Map();
  const audits = serverAudits({ url });
  const results = await Promise.all(audits.map(({ fn }) => fn()));
  for (const { id, name, status, reason: found } of results) {
    const level = name.split(" ", 1)[0];
    const reason = reasons.get(id);
    reasons.delete(id);
    if (status === "ok") {
      passed[level] += 1;
      if (reason) wrong.push(`${id} passes, and audit-reasons.json gives a reason why it does not: ${name}`);
    } else if (level === "MUST") {
      wrong.push(`${id} fails: ${name} (${found})`);
    } else if (reason) {
      excused.set(reason, [...(excused.get(reason) ?? []), `${id} ${name} (${found})`]);
    } else {
      wrong.push(`${id} fails without a reason in audit-reasons.json: ${name} (${found})`);
    }
  }
  for (const id of reasons.keys()) wrong.push(`audit-reasons.json gives a reason for ${id}, which is no audit`);
  // A suite that has become empty must not pass.
  if (!(passed.MUST >= 10)) wrong.push(`only ${passed.MUST} MUST audits passed`);

  const levels = Object.entries(passed).map(([level, count]) => {
    const of = results.filter(({ name }) => name.startsWith(`${level} `)).length;
    return `${level} ${count} of ${of}`;
  });
  console.log(`GraphQL over HTTP, ${results.length} audits passed: ${levels.join(", ")}`);
  for (const [reason, names] of excused) {
    console.log(`  not passed: ${reason}`);
    for (const name of names) console.log(`    ${name}`);
  }
  return wrong;
}
