// Asks what docs/graphql.md documents, and listens by WebSocket and by server-sent events.
// Arguments: URL, token, the document, and the ids of a user, two accounts and a transfer.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { GraphQLClient } from "graphql-request";
import { createClient as createSocketClient } from "graphql-ws";
import { createClient as createEventsClient } from "graphql-sse";
import WebSocket from "ws";

const [url, token, document, user, account, other, transfer] = process.argv.slice(2);
const headers = { authorization: `Bearer ${token}` };
const blocks = [...readFileSync(document, "utf8").matchAll(/```graphql\n([\s\S]*?)```/g)].map((m) => m[1]);
const known = {
  user, account, transfer, after: "0", cursor: null, month: "2026-11",
  time: "2030-01-01T00:00:00Z", from: "2020-01-01T00:00:00Z", to: "2030-01-01T00:00:00Z",
};
const variablesOf = (query) => {
  const names = [...query.split("{")[0].matchAll(/\$(\w+)/g)].map((m) => m[1]);
  return Object.fromEntries(names.map((name) => {
    assert(name in known, `no value for $${name}`);
    return [name, known[name]];
  }));
};

// Queries.
const client = new GraphQLClient(`${url}/graphql`, { headers });
let queries = 0;
for (const query of blocks.filter((block) => block.startsWith("query"))) {
  const data = await client.request(query, variablesOf(query));
  assert(Object.values(data).every((value) => value !== null), query);
  queries += 1;
}
assert(queries >= 5, "the document has queries");

// By hash.
const query = "{ __typename }";
const sha256Hash = createHash("sha256").update(query).digest("hex");
const persisted = async (body) => {
  const extensions = { persistedQuery: { version: 1, sha256Hash } };
  const post = { method: "POST", headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify({ ...body, extensions }) };
  return (await fetch(`${url}/graphql`, post)).json();
};
await persisted({ query });
assert.equal((await persisted({})).data.__typename, "Query");

// Subscriptions.
const deposit = async (amount) => {
  const body = JSON.stringify({ idempotency_key: `node-${amount}-${Math.random()}`, amount, currency: "EUR" });
  const post = { method: "POST", headers: { ...headers, "content-type": "application/json" }, body };
  const answer = await fetch(`${url}/api/v1/accounts/${account}/deposits`, post);
  assert.equal(answer.status, 202);
};
const subscriptions = blocks.filter((block) => block.startsWith("subscription"));
const activity = subscriptions.find((block) => block.includes("accountActivity"));
const updates = subscriptions.find((block) => block.includes("transferUpdated"));

class WithToken extends WebSocket {
  constructor(address, protocols) {
    super(address, protocols, { headers });
  }
}
const clients = {
  "WebSocket": () => createSocketClient({ url: `${url.replace("http", "ws")}/graphql`, webSocketImpl: WithToken, retryAttempts: 0 }),
  "server-sent events": () => createEventsClient({ url: `${url}/graphql`, headers, retryAttempts: 0 }),
};
for (const [name, connect] of Object.entries(clients)) {
  // Who is told once and then connects anew, hears what came in between, once.
  let { position: after } = await client.request("{ position }");
  const heard = [];
  for (const round of [1, 2, 3]) {
    await deposit(`${round}.01`);
    const connection = connect();
    const entries = connection.iterate({ query: activity, variables: { account, after } });
    await deposit(`${round}.02`);
    for (let told = 0; told < 2; told += 1) {
      const { value } = await entries.next();
      assert(!value.errors, JSON.stringify(value.errors));
      heard.push(value.data.accountActivity.amount);
      after = value.data.accountActivity.position;
    }
    await entries.return();
    await connection.dispose();
  }
  assert.deepEqual(heard, ["1.01", "1.02", "2.01", "2.02", "3.01", "3.02"], name);

  // A transfer that has ended: told once, then complete.
  const connection = connect();
  const told = [];
  for await (const { data, errors } of connection.iterate({ query: updates, variables: { transfer, after: "0" } })) {
    assert(!errors, JSON.stringify(errors));
    told.push(data.transferUpdated.status);
  }
  assert.deepEqual(told, ["COMPLETED"], name);
  await connection.dispose();
}
console.log(`${queries} queries and ${subscriptions.length} subscriptions: all answered`);
process.exit(0);
