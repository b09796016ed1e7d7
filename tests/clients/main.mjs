// Runs everything against one server: node main.mjs PATH-OF-ASOF

import { audit } from "./audit.mjs";
import { pageThrough } from "./relay.mjs";
import { startServer } from "./server.mjs";

const binary = process.argv[2];
if (!binary) {
  console.error("usage: node main.mjs PATH-OF-ASOF (target/debug/asof, say)");
  process.exit(2);
}

const server = await startServer(binary);
const wrong = [...(await audit(server.url)), ...(await pageThrough(server))];
await server.stop();
for (const line of wrong) console.error(`WRONG: ${line}`);
console.log(wrong.length === 0 ? "clients: all is well" : `clients: ${wrong.length} wrong`);
process.exit(wrong.length === 0 ? 0 : 1);
