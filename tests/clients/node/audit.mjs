// Proves every balance in the ledger's log. audit.mjs URL [TRANSFER'S STREAM]: shows that transfer, too.

import { KurrentDBClient, streamNameFilter } from "@kurrent/kurrentdb-client";

const SIGNS = { AccountDebited: -1n, AccountCredited: 1n, DebitReversed: 1n };
// Amounts have exactly the digits of their currency: without the point they count its smallest unit.
const units = ({ amount }) => BigInt(amount.replace(".", ""));

const [url, ...transfers] = process.argv.slice(2);
const client = KurrentDBClient.connectionString(url);
const balances = new Map();
const shown = new Map();
for await (const { event } of client.readAll({ filter: streamNameFilter({ prefixes: ["account-", "transfer-"] }) })) {
  const { streamId, revision, type, data, metadata, position } = event;
  if (transfers.includes(metadata.$correlationId)) console.log(`${position.commit} ${streamId} ${revision} ${type}`);
  if (type in SIGNS) {
    const after = (balances.get(streamId) ?? 0n) + SIGNS[type] * units(data.amount);
    if (after !== units(data.balance_after)) throw new Error(`${streamId} at revision ${revision}: should have ${after}`);
    balances.set(streamId, after);
    shown.set(streamId, data.balance_after.amount);
  }
}
for (const stream of [...balances.keys()].sort()) console.log(`${stream} ${shown.get(stream)}`);
await client.dispose();
