/**
 * The kinds of text that a backend keeps, each with what the tests of stored formats do to it: put a text where it stands,
 * read it through the store, have it written again, and write today's. The values that are written have every member
 * that their types know, so that a member that is new and not in a sample does not compile.
 */
import type { RecordKey, StoredRecord } from '../../src/backends/backend.ts';
import type { Owner } from '../../src/domain/owner.ts';
import { refOf } from '../../src/domain/payload.ts';
import type { RunState, Task, TraceContext } from '../../src/domain/task.ts';
import { asTaskId } from '../../src/domain/task-id.ts';
import type { Ask, Outcome } from '../../src/engine/journal.ts';
import { writtenEntry } from '../../src/runtime/log/task-journal.ts';
import { activeCount, decodeCount } from '../../src/store/active-count.ts';
import { type AgendaEntry, agendaRecord } from '../../src/store/agenda.ts';
import { canonicalJson, type StoredKind, sha256 } from '../../src/store/codec.ts';
import { keyRecord } from '../../src/store/idempotent-creation.ts';
import {
  activeCountKey,
  agendaPartition,
  headKey,
  idempotencyKey,
  logPartition,
  relayedAnswerKey,
  valuesPartition,
} from '../../src/store/keys.ts';
import { keptValue } from '../../src/store/payload-store.ts';
import { relayedAnswer } from '../../src/store/relayed-answers.ts';
import { encodeTask, taskHead } from '../../src/store/task-head.ts';
import { logEntry } from '../../src/store/task-log.ts';
import { call, HOUR_MS, type Stores } from './task-stores.ts';

/** When the stores' clock stands. */
const NOW = 4_102_444_800_000;
const ID = asTaskId('03bb2cc3d80000112233445566778899aabbccddeeff');
/** Made of the time and the bytes that the stores of the tests are given. */
const KEYED_ID = asTaskId('03bb2cc3d800000102030405060708090a0b0c0d0e0f');
const OWNER: Required<Owner> = { issuer: 'https://issuer.example', tenant: 'acme', subject: 'ada' };
const KEY = 'order 7';
const VALUE = { b: 1, a: 'ü' };

/** Of {@link VALUE}, as it was kept when the sample was written. */
const REFERENCE = {
  bytes: 16,
  chunks: 1,
  format: 1,
  id: '000102030405060708090a0b0c0d0e0f',
  sha256: sha256('{"b":1,"a":"ü"}'),
};

const fullHead: Omit<Required<Task>, 'owner' | 'run' | 'trace'> & {
  readonly run: Required<RunState>;
  readonly trace: Required<TraceContext>;
} = {
  id: ID,
  tool: 'greet',
  toolVersion: 2,
  status: 'input_required',
  statusMessage: 'Half way.',
  createdAt: NOW,
  updatedAt: NOW + 1,
  deadlineAt: NOW + HOUR_MS,
  retentionMs: HOUR_MS,
  retentionFromEnd: true,
  promisedUntil: NOW + 2 * HOUR_MS,
  pollIntervalMs: 1000,
  maxAttempts: 3,
  arguments: { json: { z: 1, a: { y: 'Ada', b: null } } },
  admission: { json: { approved: true } },
  variables: { json: { colour: 'red', _internal: 1 } },
  result: { ref: REFERENCE },
  error: { json: { code: -32603, message: 'Failed.' } },
  inputs: {
    q1: { request: { json: { method: 'elicitation/create' } }, timeoutAt: NOW + 5000, askedOf: { s1: NOW + 1 } },
    q2: {},
  },
  answers: {
    q3: { outcome: 'answered', value: { json: 'yes' }, at: NOW + 2 },
    q4: { outcome: 'failed', message: 'Declined.', at: NOW + 3 },
    q5: { outcome: 'timed_out', at: NOW + 4 },
  },
  run: {
    epoch: 4,
    lease: { holder: 'worker 1', until: NOW + 30_000 },
    dueAt: NOW + 10,
    healedAt: NOW + 5,
    crashes: 1,
    turns: 7,
    parked: { reason: 'Its code is not here.', looks: 2 },
    cleanup: { cause: 'cancelled', until: NOW + 60_000 },
  },
  trace: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b', baggage: 'c=d' },
  related: ID,
  mayAsk: ['elicitation.form', 'roots'],
  progressTo: { token: 'p1', session: 's1' },
  toolError: 'The grinder is stuck.',
  attendedUntil: NOW + 25_000,
  keyDigest: sha256(KEY),
  isUncounted: true,
};

const fullAsk: Required<Ask> = {
  kind: 'wait',
  name: 'cool down',
  branch: 'map.1',
  nth: 2,
  turn: 3,
  dueAt: NOW + 60_000,
  afterMs: 60_000,
  timeoutAt: NOW + 90_000,
  value: { z: 1, a: 2 },
  target: 0,
};

const outcomes: { readonly [Kind in Outcome['kind']]: Required<Extract<Outcome, { kind: Kind }>> } = {
  ok: { kind: 'ok', of: 0, value: { z: 1, a: 2 } },
  failed: { kind: 'failed', of: 1, error: { name: 'RangeError', message: 'too far' } },
  timed_out: { kind: 'timed_out', of: 2 },
  retry: { kind: 'retry', of: 3, attempt: 1, dueAt: NOW + 1000, afterMs: 1000, state: { left: 2 } },
  due: { kind: 'due', of: 3, dueAt: NOW + 500 },
  begun: { kind: 'begun', of: 4, attempt: 1 },
  aborted: { kind: 'aborted', cause: 'deadline' },
};
const fullEntry = { epoch: 4, at: NOW, asks: [fullAsk], outcomes: Object.values(outcomes) };

export interface KindUnderTest {
  /** Of the samples: `samples/<name>-<format>.json`. */
  readonly name: string;
  readonly kind: StoredKind<never>;
  /** Puts the text where it stands, with what it refers to. */
  readonly put: (stores: Stores, text: string) => Promise<void>;
  /** The record that the text is, or stands in. */
  readonly find: (stores: Stores) => Promise<StoredRecord | undefined>;
  /** What the store makes of it. Rejects where it cannot be read. */
  readonly read: (stores: Stores) => Promise<unknown>;
  /** What `read` gives for the sample. */
  readonly means: unknown;
  /** Has the store read it and write it again. Absent: it is no object, and has no members. */
  readonly rewrite?: (stores: Stores) => Promise<unknown>;
  /** Has the store write what the sample holds. */
  readonly write: (stores: Stores) => Promise<unknown>;
  /** Undoes what the text says of its format, for kinds that are no JSON of their own. @default as JSON */
  readonly upgradeWith?: (text: string, kind: StoredKind<never>) => object;
  /** The sample's text as a format with another number would have it. @default as JSON, in the newest format of `kind` */
  readonly inNextFormat?: (text: string) => string;
}

const taskOf = ({ owner }: Stores): Task => ({ ...fullHead, owner });
const headOf = (stores: Stores) => stores.backend.get(headKey(taskOf(stores)));

async function put({ backend }: Stores, key: RecordKey, value: string): Promise<void> {
  await backend.delete(key);
  await backend.putIfVersion(key, { value, expiresAt: NOW + 2 * HOUR_MS }, 0);
}

const putHead = (stores: Stores, text: string) => put(stores, headKey(taskOf(stores)), text);

/** Later, so that everything that lives as long as the task is written again. */
const extend = (stores: Stores, id = ID) =>
  stores.store.update({ owner: stores.owner, id }, (task) => ({
    ...task,
    deadlineAt: task.deadlineAt + 8 * HOUR_MS,
    promisedUntil: (task.promisedUntil ?? 0) + 8 * HOUR_MS,
  }));

const logKey = (stores: Stores): RecordKey => ({ partition: logPartition(taskOf(stores)), id: '0000000000' });

async function putLog(stores: Stores, value: string): Promise<void> {
  await putHead(stores, encodeTask(taskOf(stores)));
  await put(stores, logKey(stores), value);
}

async function firstEntry(stores: Stores): Promise<unknown> {
  return (await stores.store.log.read(taskOf(stores))).entries[0];
}

async function agendaEntry({ store }: Stores): Promise<AgendaEntry | undefined> {
  for (const shard of store.agenda.due(Number.MAX_SAFE_INTEGER)) {
    for await (const entry of shard) {
      if (!entry.key.id.endsWith(ID)) continue;
      if ('fault' in entry) throw entry.fault;
      return entry;
    }
  }
  return undefined;
}

const agendaShard = agendaPartition(ID);
const agendaId = (at: number) =>
  `${String(at).padStart(15, '0')} ${sha256(JSON.stringify([OWNER.issuer, OWNER.subject, OWNER.tenant])).slice(0, 32)} ${ID}`;

const { owner: _owner, ...headMeans } = taskOf({ owner: OWNER } as Stores);
const COUNTED = 5 * 2 ** 20 + 3;
const ANSWER = { jsonrpc: '2.0', id: 0, result: { action: 'accept' } };

export const KINDS: readonly KindUnderTest[] = [
  {
    name: 'head',
    kind: taskHead as StoredKind<never>,
    put: putHead,
    find: headOf,
    read: async (stores) => {
      const { owner: _, ...task } = (await stores.store.get(taskOf(stores))).task;
      return task;
    },
    means: headMeans,
    rewrite: (stores) =>
      stores.store.update(taskOf(stores), (task) => ({ ...task, run: { ...task.run, crashes: task.run.crashes + 1 } })),
    write: async (stores) => {
      await putHead(stores, encodeTask({ ...taskOf(stores), statusMessage: 'At the beginning.' }));
      await stores.store.update(taskOf(stores), () => taskOf(stores));
    },
  },
  {
    name: 'log-entry',
    kind: logEntry as StoredKind<never>,
    put: putLog,
    find: (stores) => stores.backend.get(logKey(stores)),
    read: firstEntry,
    means: { z: 1, a: 2 },
    rewrite: (stores) => extend(stores),
    write: (stores) => stores.store.log.append(taskOf(stores), 0, { z: 1, a: 2 }),
  },
  {
    name: 'journal-entry',
    kind: writtenEntry as StoredKind<never>,
    put: (stores, text) => putLog(stores, `{"entry":{"json":${text}},"format":1}`),
    find: (stores) => stores.backend.get(logKey(stores)),
    read: async (stores) => writtenEntry.unwrap(await firstEntry(stores), 'a task'),
    means: fullEntry,
    rewrite: (stores) => extend(stores),
    write: (stores) => stores.store.log.append(taskOf(stores), 0, { ...writtenEntry.wrap(fullEntry) } as never),
  },
  {
    name: 'idempotency-record',
    kind: keyRecord as StoredKind<never>,
    put: async (stores, text) => {
      await put(stores, headKey({ owner: stores.owner, id: KEYED_ID }), encodeTask(taskOf(stores)));
      await put(stores, idempotencyKey(stores.owner, sha256(KEY)), text);
    },
    find: ({ backend, owner }) => backend.get(idempotencyKey(owner, sha256(KEY))),
    read: async ({ store, owner }) => (await store.create(call(owner, { idempotencyKey: KEY }))).stored.task.id,
    means: KEYED_ID,
    rewrite: (stores) => extend(stores, KEYED_ID),
    write: ({ store, owner }) => store.create(call(owner, { idempotencyKey: KEY })),
  },
  {
    name: 'counter',
    kind: activeCount as StoredKind<never>,
    put: (stores, text) => put(stores, activeCountKey(stores.owner), text),
    find: ({ backend, owner }) => backend.get(activeCountKey(owner)),
    read: async ({ store, backend, owner }) => {
      await store.create(call(owner));
      return Number((await backend.get(activeCountKey(owner)))?.value);
    },
    means: COUNTED + 1,
    write: async (stores) => {
      await put(stores, activeCountKey(stores.owner), String(COUNTED - 1));
      await stores.store.create(call(stores.owner));
    },
    upgradeWith: (text, kind) => decodeCount(Number(text), kind),
    inNextFormat: (text) => String(2 ** 48 + Number(text)),
  },
  {
    name: 'relayed-answer',
    kind: relayedAnswer as StoredKind<never>,
    put: (stores, text) => put(stores, relayedAnswerKey(stores.owner, 'a name'), text),
    find: ({ backend, owner }) => backend.get(relayedAnswerKey(owner, 'a name')),
    read: ({ store, owner }) => store.relayedAnswers.fetch(owner, 'a name'),
    means: ANSWER,
    write: async (stores) => {
      await put(stores, relayedAnswerKey(stores.owner, 'a name'), relayedAnswer.encode({}));
      await stores.store.relayedAnswers.leave(stores.owner, 'a name', ANSWER);
    },
  },
  {
    name: 'agenda-record',
    kind: agendaRecord as StoredKind<never>,
    put: (stores, text) => put(stores, { partition: agendaShard, id: agendaId(NOW) }, text),
    find: async ({ backend }) =>
      (await backend.list(agendaShard, { limit: 1000 })).records.find(({ id }) => id.endsWith(ID)),
    read: async (stores) => {
      const entry = await agendaEntry(stores);
      return { at: entry?.at, owner: entry?.ref.owner };
    },
    means: { at: NOW, owner: OWNER },
    rewrite: async (stores) => {
      const entry = await agendaEntry(stores);
      if (entry !== undefined) await stores.store.agenda.move(entry, NOW + 60_000);
    },
    write: async (stores) => {
      // Everybody's tests have the one agenda.
      await stores.backend.delete({ partition: agendaShard, id: agendaId(NOW) });
      await stores.store.agenda.note({ owner: OWNER, id: ID }, NOW);
    },
  },
  {
    name: 'value',
    kind: keptValue as StoredKind<never>,
    put: async (stores, text) => {
      await putHead(
        stores,
        encodeTask(taskOf(stores)).replace(`"ref":${canonicalJson(REFERENCE)}`, () => `"ref":${text}`),
      );
      await put(stores, { partition: valuesPartition(taskOf(stores)), id: `${REFERENCE.id} 0000` }, '{"b":1,"a":"ü"}');
    },
    find: headOf,
    read: async ({ store, ...stores }) => {
      const { task } = await store.get(taskOf({ store, ...stores }));
      return store.load(task, task.result ?? { json: null });
    },
    means: VALUE,
    rewrite: (stores) =>
      stores.store.update(taskOf(stores), (task) => ({ ...task, run: { ...task.run, crashes: task.run.crashes + 1 } })),
    write: async (stores) => {
      const { store } = stores;
      await putHead(stores, encodeTask({ ...taskOf(stores), result: { json: null } }));
      const result = await store.keep(taskOf(stores), 'further_request', VALUE);
      if (refOf(result) === undefined) throw new Error('The value was not kept by itself.');
      await store.update(taskOf(stores), (task) => ({ ...task, result }));
    },
  },
];
