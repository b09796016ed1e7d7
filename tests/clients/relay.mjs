// A client that speaks Relay connections, with a normalised cache, pages through ten thousand identities while more are written.

import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import { Client, fetchExchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";

const IDENTITIES = 10_000;
const PAGE = 500;
const BATCH = 1_000;
/** Written between two pages, and deleted. */
const NEW = 30;
const GONE = 20;

const PAGES = /* GraphQL */ `
  query Pages($first: Int!, $after: String) {
    identities(first: $first, after: $after) {
      totalCount
      edges {
        cursor
        node {
          id
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      snapshot {
        ledgerSize
        asOf
      }
    }
  }
`;

/** Writes batches of facts over gRPC, and waits for each acknowledgement. */
function writer(address) {
  const folder = fileURLToPath(new URL("../../proto", import.meta.url));
  const files = readdirSync(`${folder}/asof/v1`).map((name) => `asof/v1/${name}`);
  const definition = protoLoader.loadSync(files, { includeDirs: [folder], keepCase: true, enums: String });
  const { asof } = grpc.loadPackageDefinition(definition);
  const client = new asof.v1.Ingest(address, grpc.credentials.createInsecure());
  const stream = client.write();
  const waiting = [];
  stream.on("data", (answer) => waiting.shift()?.resolve(answer));
  stream.on("error", (error) => waiting.splice(0).forEach(({ reject }) => reject(error)));
  let batches = 0;
  return {
    write(facts) {
      const request = { source: "clients", batch_id: `${batches++}`, facts };
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        stream.write(request);
      });
    },
    close() {
      stream.end();
      client.close();
    },
  };
}

const identity = (number, op = "PUT") => ({
  op,
  node: { kind: "IDENTITY", id: `identity/${String(number).padStart(6, "0")}` },
  valid_from: { seconds: 1_735_689_600 },
});

const numbers = (from, count) => Array.from({ length: count }, (_, place) => from + place);

function client(url) {
  // What has no id of its own lives within what it is asked of.
  const embedded = () => null;
  const cache = cacheExchange({
    keys: { IdentityConnection: embedded, IdentityEdge: embedded, PageInfo: embedded, Snapshot: embedded },
    resolvers: { Query: { identities: relayPagination() } },
  });
  return new Client({ url, exchanges: [cache, fetchExchange], preferGetMethod: false });
}

async function page(client, variables, context) {
  const { data, error } = await client.query(PAGES, variables, context).toPromise();
  if (error) throw error;
  return data.identities;
}

const ids = (connection) => connection.edges.map(({ node }) => node.id);

/** Pages through, and gives what is wrong as lines of text. */
export async function pageThrough({ address, url }) {
  const wrong = [];
  const check = (right, what) => right || wrong.push(what);
  const written = writer(address);
  for (let from = 0; from < IDENTITIES; from += BATCH) {
    await written.write(numbers(from, BATCH).map((number) => identity(number)));
  }
  // The whole list as one page, before anything more is written; by a client with a cache of its own.
  const whole = await page(client(url), { first: IDENTITIES });
  check(whole.edges.length === IDENTITIES, `one page of ${IDENTITIES} has ${whole.edges.length} entries`);
  check(!whole.pageInfo.hasNextPage, "one page of all says that there is more");

  const paging = client(url);
  let [pages, after, merged, last] = [0, undefined, undefined, undefined];
  const snapshots = new Set();
  do {
    merged = await page(paging, { first: PAGE, after });
    last = merged.pageInfo;
    snapshots.add(`${merged.snapshot.asOf} ${merged.snapshot.ledgerSize}`);
    check(merged.totalCount === IDENTITIES, `page ${pages} counts ${merged.totalCount}`);
    check(last.endCursor !== after, `page ${pages} ends where it began`);
    after = last.endCursor;
    pages += 1;
    // New ones at the end, and some of the list itself deleted, all of it from long ago on.
    const put = numbers(IDENTITIES + pages * NEW, NEW).map((number) => identity(number));
    const gone = numbers(0, GONE).map((place) => identity((place * 499 + pages * 7) % IDENTITIES, "DELETE"));
    await written.write([...put, ...gone]);
  } while (last.hasNextPage && pages <= IDENTITIES / PAGE);
  check(pages === IDENTITIES / PAGE, `${pages} pages`);
  check(snapshots.size === 1, `the pages come from ${snapshots.size} snapshots`);

  // The cache has put the pages together as one list.
  const found = ids(merged);
  check(new Set(found).size === IDENTITIES, `${new Set(found).size} distinct identities in ${found.length}`);
  const expected = ids(whole);
  const differs = expected.findIndex((id, place) => id !== found[place]);
  check(differs === -1, `entry ${differs} is ${found[differs]}, and ${expected[differs]} in the whole list`);

  const now = await page(client(url), { first: 1 }, { requestPolicy: "network-only" });
  check(now.totalCount !== IDENTITIES, "nothing was written between the pages");
  written.close();
  console.log(
    `Relay connections: ${pages} pages of ${PAGE}, ${new Set(found).size} distinct identities in the order of one page of ` +
      `${expected.length}; meanwhile ${pages * NEW} were written and ${pages * GONE} deleted (now ${now.totalCount})`,
  );
  return wrong;
}
