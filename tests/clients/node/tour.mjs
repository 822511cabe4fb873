// Plays every call of the official Node client: tour.mjs FOLDER ENDPOINT TOKEN [--kilwa].
//
// The store behind the token has to be empty. Every step states what it expects; the first one that is not met ends the
// run with a failure. With `--kilwa`, what Kilwa has beyond SpiceDB is played as well. Against SpiceDB, start
// `spicedb serve` with `--datastore-revision-quantization-interval 10ms`: an answer without a consistency may rest on
// what was true one interval ago.

import { client, leftOut } from "./session.mjs";
import * as bulk from "./tour_bulk.mjs";
import * as checks from "./tour_checks.mjs";
import * as lookups from "./tour_lookups.mjs";
import * as relationships from "./tour_relationships.mjs";
import * as schema from "./tour_schema.mjs";
import * as watch from "./tour_watch.mjs";
import { endpoint, expect, flags, grpc } from "./words.mjs";

const STEPS = [
  schema.writeAndRead,
  relationships.writes,
  relationships.refusedWrites,
  schema.takenRelation,
  schema.reflect,
  schema.dependencies,
  schema.differences,
  relationships.reads,
  relationships.pages,
  relationships.refusedReads,
  relationships.deletions,
  checks.answers,
  checks.refused,
  checks.consistencies,
  checks.traces,
  checks.bulk,
  checks.expand,
  lookups.resources,
  lookups.pagesOfResources,
  lookups.refusedResources,
  lookups.subjects,
  watch.changes,
  watch.live,
  watch.refused,
  bulk.imports,
  bulk.exports,
  bulk.counters,
];
const KILWA_STEPS = [lookups.pagesOfSubjects, checks.messages];

/** Health asks for no key. The client has no types for it: an empty request asks for the whole server, 8 1 is "serving". */
async function health() {
  const plain = new grpc.Client(endpoint, grpc.credentials.createInsecure());
  const bytes = (value) => Buffer.from(value);
  const found = await new Promise((resolve, reject) => {
    const done = (error, answer) => (error ? reject(error) : resolve(answer));
    plain.makeUnaryRequest("/grpc.health.v1.Health/Check", bytes, bytes, [], done);
  });
  expect("health", [8, 1], [...found]);
  plain.close();
}

for (const step of flags.includes("--kilwa") ? [...STEPS, ...KILWA_STEPS] : STEPS) await step();
await health();
expect("calls of the client that were left out", [], leftOut());
client.close();
