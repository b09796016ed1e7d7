// A server of its own: the binary on a temporary folder and a free port, gone when the run ends.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const LISTENING = /http:\/\/(127\.0\.0\.1:\d+)/;
const STOP_MS_MAX = 20_000;

export async function startServer(binary) {
  const folder = mkdtempSync(join(tmpdir(), "asof-clients-"));
  const child = spawn(binary, ["serve", "--listen", "127.0.0.1:0", "--data", join(folder, "data")], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, RUST_LOG: "warn" },
  });
  // Whatever ends this process ends the server, and takes the folder away.
  const clean = () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", clean);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

  const ended = new Promise((resolve) => child.once("close", (code, signal) => resolve(code ?? signal)));
  const address = await new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new Error(`${binary} cannot be started: ${error.message}`)));
    child.once("exit", (code, signal) => reject(new Error(`the server ended before it listened (${code ?? signal})`)));
    // Reads on to the end, or the pipe would fill.
    createInterface({ input: child.stdout }).on("line", (line) => {
      const found = LISTENING.exec(line);
      if (found) resolve(found[1]);
    });
  });

  return {
    address,
    url: `http://${address}/graphql`,
    /** Ends it as an operator does, and says how it ended. */
    async stop() {
      child.kill("SIGTERM");
      let patience;
      const late = new Promise((resolve) => {
        patience = setTimeout(resolve, STOP_MS_MAX, `nothing: SIGTERM does not end it in ${STOP_MS_MAX} ms`);
      });
      const how = await Promise.race([ended, late]);
      clearTimeout(patience);
      if (how !== 0) throw new Error(`the server ended with ${how}`);
    },
  };
}
