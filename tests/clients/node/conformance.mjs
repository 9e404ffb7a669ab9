// EventStoreDB's Node client against the server at the URL given as argument.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import {
  ANY,
  BACKWARDS,
  END,
  KurrentDBClient,
  NO_STREAM,
  PARK,
  PersistentSubscriptionDoesNotExistError,
  PersistentSubscriptionExistsError,
  RETRY,
  SKIP,
  START,
  STREAM_EXISTS,
  StreamDeletedError,
  StreamNotFoundError,
  WrongExpectedVersionError,
  eventTypeFilter,
  excludeSystemEvents,
  jsonEvent,
  persistentSubscriptionToAllSettingsFromDefaults,
  persistentSubscriptionToStreamSettingsFromDefaults,
  streamNameFilter,
} from "@kurrent/kurrentdb-client";

const WAIT_MILLIS_MAX = 30_000;

const unique = (name) => `${name}-${randomUUID()}`;
const happened = (number = 0, type = "happened") => jsonEvent({ type, data: { number }, metadata: { by: "node" } });

async function all(read) {
  const events = [];
  for await (const event of read) events.push(event);
  return events;
}

const revisions = (events) => events.map(({ event }) => Number(event.revision));

async function rejects(type, promise) {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof type, `${error} is no ${type.name}`);
    return error;
  }
  assert.fail(`no ${type.name}`);
}

// What a subscription says, one after the other.
function follow(subscription) {
  const said = [];
  let wake = () => {};
  const say = (what) => {
    said.push(what);
    wake();
  };
  subscription.on("data", (event) => say({ event }));
  subscription.on("caughtUp", () => say({ caughtUp: true }));
  subscription.on("error", (error) => say({ error }));
  return async () => {
    while (said.length === 0) await new Promise((resolve) => (wake = resolve));
    return said.shift();
  };
}

async function until(what, look) {
  const started = Date.now();
  while (!(await look())) {
    assert.ok(Date.now() - started < WAIT_MILLIS_MAX, what);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function appendsAndReads(client) {
  const stream = unique("node");
  const [one, ...several] = [0, 1, 2, 3].map((number) => happened(number));
  const first = await client.appendToStream(stream, one, { streamState: NO_STREAM });
  assert.equal(first.nextExpectedRevision, 0n);
  const last = await client.appendToStream(stream, several, { streamState: 0n });
  assert.equal(last.nextExpectedRevision, 3n);
  assert.ok(last.position.commit > first.position.commit);

  const forward = await all(client.readStream(stream));
  assert.deepEqual(forward.map(({ event }) => event.id), [one, ...several].map(({ id }) => id));
  assert.deepEqual(revisions(forward), [0, 1, 2, 3]);
  const { event } = forward[0];
  assert.deepEqual([event.streamId, event.type, event.isJson], [stream, "happened", true]);
  assert.deepEqual([event.data, event.metadata], [{ number: 0 }, { by: "node" }]);
  assert.equal(event.position.commit, first.position.commit);
  const backward = { direction: BACKWARDS, fromRevision: END };
  assert.deepEqual(revisions(await all(client.readStream(stream, backward))), [3, 2, 1, 0]);
  assert.deepEqual(revisions(await all(client.readStream(stream, { fromRevision: 1n, maxCount: 2 }))), [1, 2]);
  await rejects(StreamNotFoundError, all(client.readStream(unique("never"))));
}

async function knowsRepeats(client) {
  const stream = unique("node");
  const events = [happened(0), happened(1)];
  const written = await client.appendToStream(stream, events, { streamState: NO_STREAM });
  for (const streamState of [NO_STREAM, ANY]) {
    const again = await client.appendToStream(stream, events, { streamState });
    assert.deepEqual(again, written);
  }
  assert.deepEqual(revisions(await all(client.readStream(stream))), [0, 1]);
}

async function meetsAnotherVersion(client) {
  const stream = unique("node");
  await client.appendToStream(stream, [happened(), happened()]);
  // With credentials it appends by a call of its own, without them by a batch.
  for (const options of [{}, { credentials: { username: "admin", password: "changeit" } }]) {
    for (const streamState of [NO_STREAM, 0n, 7n]) {
      const append = client.appendToStream(stream, happened(), { ...options, streamState });
      const error = await rejects(WrongExpectedVersionError, append);
      assert.deepEqual([error.streamName, error.actualState, error.expectedState], [stream, 1n, streamState]);
    }
    const never = client.appendToStream(unique("never"), happened(), { ...options, streamState: STREAM_EXISTS });
    assert.equal((await rejects(WrongExpectedVersionError, never)).actualState, NO_STREAM);
  }
}

async function readsTheLog(client) {
  const family = unique("family");
  let first;
  for (const name of ["one", "two", "other"]) {
    const events = [happened(0, `made-${family}`), happened(1, `moved-${family}`)];
    const written = await client.appendToStream(`${family}_${name}`, events);
    first ??= written.position;
  }
  const [{ event: begun }] = await all(client.readStream(`${family}_one`, { maxCount: 1 }));
  const read = async (filter) => {
    const events = await all(client.readAll({ fromPosition: begun.position, filter }));
    return events.map(({ event }) => `${event.streamId.split("_")[1]} ${event.type.split("-")[0]}`);
  };
  const [one, two] = [["one made", "one moved"], ["two made", "two moved"]];
  assert.deepEqual(await read(streamNameFilter({ prefixes: [`${family}_one`, `${family}_tw`] })), [...one, ...two]);
  assert.deepEqual(await read(streamNameFilter({ regex: `^${family}_t` })), two);
  const made = ["one made", "two made", "other made"];
  assert.deepEqual(await read(eventTypeFilter({ prefixes: [`made-${family}`] })), made);
  const backward = client.readAll({
    direction: BACKWARDS,
    fromPosition: END,
    maxCount: 1,
    filter: streamNameFilter({ prefixes: [family] }),
  });
  assert.equal((await all(backward))[0].event.streamId, `${family}_other`);
}

async function subscribesToAStream(client) {
  const stream = unique("node");
  await client.appendToStream(stream, [happened(), happened()]);
  const subscription = client.subscribeToStream(stream, { fromRevision: START });
  const next = follow(subscription);
  assert.deepEqual(revisions([(await next()).event, (await next()).event]), [0, 1]);
  assert.ok((await next()).caughtUp);
  await client.appendToStream(stream, happened());
  assert.deepEqual(revisions([(await next()).event]), [2]);
  await subscription.unsubscribe();

  const later = client.subscribeToStream(stream, { fromRevision: 1n });
  assert.deepEqual(revisions([(await follow(later)()).event]), [2]);
  await later.unsubscribe();
}

async function subscribesToTheLog(client) {
  const family = unique("family");
  const { position } = await client.appendToStream(unique("other"), happened());
  await client.appendToStream(unique("other"), Array.from({ length: 30 }, () => happened()));
  await client.appendToStream(`${family}-one`, happened());
  const checkpoints = [];
  const filter = streamNameFilter({
    prefixes: [family],
    maxSearchWindow: 10,
    checkpointInterval: 1,
    checkpointReached: (_, { commit }) => checkpoints.push(commit),
  });
  const subscription = client.subscribeToAll({ fromPosition: position, filter });
  const next = follow(subscription);
  assert.equal((await next()).event.event.streamId, `${family}-one`);
  assert.ok((await next()).caughtUp);
  assert.ok(checkpoints.length >= 3, `${checkpoints}`);
  await client.appendToStream(`${family}-two`, happened());
  assert.equal((await next()).event.event.streamId, `${family}-two`);
  await subscription.unsubscribe();

  const live = client.subscribeToAll({ fromPosition: END, filter: excludeSystemEvents() });
  const nextLive = follow(live);
  assert.ok((await nextLive()).caughtUp);
  await client.appendToStream(`${family}-three`, happened());
  for (let said = await nextLive(); said.event?.event.streamId !== `${family}-three`; said = await nextLive()) {
    assert.ok(!said.error, said.error);
  }
  await live.unsubscribe();
}

async function deletes(client) {
  const stream = unique("node");
  await client.appendToStream(stream, [happened(), happened()]);
  const late = await rejects(WrongExpectedVersionError, client.deleteStream(stream, { expectedRevision: 0n }));
  assert.deepEqual([late.streamName, late.actualState], [stream, 1n]);
  const { position } = await client.deleteStream(stream, { expectedRevision: 1n });
  assert.ok(position.commit > 0n);
  await rejects(StreamNotFoundError, all(client.readStream(stream)));
  const again = await client.appendToStream(stream, happened(), { streamState: NO_STREAM });
  assert.equal(again.nextExpectedRevision, 2n);
  assert.deepEqual(revisions(await all(client.readStream(stream))), [2]);
}

async function tombstones(client) {
  const stream = unique("node");
  await client.appendToStream(stream, happened());
  await rejects(WrongExpectedVersionError, client.tombstoneStream(stream, { expectedRevision: 5n }));
  await client.tombstoneStream(stream, { expectedRevision: 0n });
  await rejects(StreamDeletedError, all(client.readStream(stream)));
  await rejects(StreamDeletedError, client.tombstoneStream(stream));
  await rejects(StreamDeletedError, client.appendToStream(stream, happened()));
}

async function describesStreams(client) {
  const stream = unique("node");
  assert.equal((await client.getStreamMetadata(stream)).metadata, undefined);
  await client.appendToStream(stream, [0, 1, 2, 3].map((number) => happened(number)));
  await client.setStreamMetadata(stream, { maxCount: 2, ours: ["a"] }, { expectedRevision: NO_STREAM });
  const { metadata } = await client.getStreamMetadata(stream);
  assert.deepEqual([metadata.maxCount, metadata.ours], [2, ["a"]]);
  assert.deepEqual(revisions(await all(client.readStream(stream))), [2, 3]);
  await client.setStreamMetadata(stream, { truncateBefore: 1 });
  assert.deepEqual(revisions(await all(client.readStream(stream))), [1, 2, 3]);
}

async function consumesAsAGroup(client) {
  const [stream, group] = [unique("node"), "group"];
  await client.appendToStream(stream, [0, 1, 2, 3].map((number) => happened(number)));
  const settings = persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: START });
  const create = () => client.createPersistentSubscriptionToStream(stream, group, settings);
  await create();
  await rejects(PersistentSubscriptionExistsError, create());
  const info = () => client.getPersistentSubscriptionToStreamInfo(stream, group);
  assert.deepEqual([(await info()).eventSource, (await info()).groupName], [stream, group]);
  assert.equal((await client.listPersistentSubscriptionsToStream(stream)).length, 1);
  assert.ok((await client.listAllPersistentSubscriptions()).some(({ eventSource }) => eventSource === stream));

  const consumer = client.subscribeToPersistentSubscriptionToStream(stream, group);
  const next = follow(consumer);
  const nextAt = async (revision, retries = 0) => {
    const { event, error } = await next();
    assert.ok(event, error);
    assert.deepEqual([Number(event.event.revision), event.retryCount], [revision, retries]);
    return event;
  };
  await consumer.ack(await nextAt(0));
  await consumer.nack(SKIP, "unwanted", await nextAt(1));
  await consumer.nack(PARK, "later", await nextAt(2));
  await consumer.nack(RETRY, "busy", await nextAt(3));
  await consumer.ack(await nextAt(3, 1));
  const parked = async () => Number((await info()).stats.parkedMessageCount);
  await until("an event is parked", async () => (await parked()) === 1);
  await client.replayParkedMessagesToStream(stream, group);
  const { event: replayed } = await next();
  assert.equal(replayed.event.revision, 2n);
  await consumer.ack(replayed);
  await until("no event is parked", async () => (await parked()) === 0);
  await client.appendToStream(stream, happened());
  await consumer.ack(await nextAt(4));
  await consumer.unsubscribe();

  await client.deletePersistentSubscriptionToStream(stream, group);
  await rejects(PersistentSubscriptionDoesNotExistError, info());
}

async function consumesTheLogAsAGroup(client) {
  const family = unique("family");
  await client.appendToStream(`${family}-one`, happened());
  const settings = persistentSubscriptionToAllSettingsFromDefaults({ startFrom: START });
  const filter = streamNameFilter({ prefixes: [family] });
  await client.createPersistentSubscriptionToAll(family, settings, { filter });
  const consumer = client.subscribeToPersistentSubscriptionToAll(family);
  const { event } = await follow(consumer)();
  assert.equal(event.event.streamId, `${family}-one`);
  await consumer.ack(event);
  await consumer.unsubscribe();
  await client.deletePersistentSubscriptionToAll(family);
}

const CASES = [
  appendsAndReads,
  knowsRepeats,
  meetsAnotherVersion,
  readsTheLog,
  subscribesToAStream,
  subscribesToTheLog,
  deletes,
  tombstones,
  describesStreams,
  consumesAsAGroup,
  consumesTheLogAsAGroup,
];

const [url, ...wanted] = process.argv.slice(2);
const client = KurrentDBClient.connectionString(url);
for (const test of CASES) {
  if (wanted.length === 0 || wanted.includes(test.name)) {
    console.log(test.name);
    await test(client);
  }
}
await client.dispose();
