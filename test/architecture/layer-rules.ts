/**
 * The layers as data: which zone a file is in, which zones it may import, and where each
 * vendor's packages live. `layers.test.ts` holds the repository against it. To change an
 * architectural decision, change it here and say why in `docs/decisions/`.
 */

/** A place with import rules of its own. The first pattern that matches a path decides. */
const ZONES = [
  ['index', /^src\/index\.ts$/],
  ['clock', /^src\/clock\.ts$/],
  ['leaf', /^src\/present\.ts$/],
  ['domain', /^src\/domain\//],
  ['seam', /^src\/backends\/(backend|checked-backend|errors|index|validation)\.ts$/],
  ['driver', /^src\/backends\//],
  ['store', /^src\/store\//],
  ['engine', /^src\/engine\//],
  ['runtime', /^src\/runtime\//],
  ['protocol', /^src\/protocol\//],
  ['workflow', /^src\/workflow\//],
  ['operations', /^src\/operations\//],
  ['composition', /^src\/server\/local-engines\.ts$/],
  ['server', /^src\/server\//],
  ['testing', /^src\/testing\//],
  ['shared', /^lambda\/shared\//],
  ['lambda', /^lambda\//],
  ['lib', /^lib\//],
  ['bin', /^bin\//],
] as const satisfies readonly (readonly [string, RegExp])[];

export type Zone = (typeof ZONES)[number][0];

export function zoneOf(path: string): Zone | undefined {
  return ZONES.find(([, pattern]) => pattern.test(path))?.[0];
}

interface LayerRule {
  /** Besides its own zone. A `path` entry opens single files of a zone that is closed otherwise. */
  readonly may: readonly (Zone | RegExp)[];
  readonly rule: string;
  readonly instead: string;
}

/** Pure, without imports, and about nothing in particular: any layer may use it. */
export const LEAF: Zone = 'leaf';

/** What is served and deployed until a team brings its own. */
const DEFAULT_TOOLS = /^examples\/[\w-]+\.ts$/;
const SEAM_AND_ERRORS = /^src\/backends\/(backend|errors)\.ts$/;

export const LAYERS: Readonly<Record<Zone, LayerRule>> = {
  domain: {
    may: [],
    rule: 'the domain is pure and imports nothing outside src/domain but src/present.ts',
    instead: 'pass the value in as an argument (time as `now`, random bytes as bytes), or move the code up a layer',
  },
  clock: {
    may: [],
    rule: 'src/clock.ts is a leaf',
    instead: 'move what needs the import into the layer that uses it',
  },
  leaf: {
    may: [],
    rule: 'src/present.ts is a leaf that any layer may import',
    instead: 'move what needs the import into the layer that uses it',
  },
  seam: {
    may: ['clock'],
    rule: 'the storage seam knows neither engines nor tasks',
    instead: 'put an engine’s code into its driver, and a domain rule into src/store',
  },
  driver: {
    may: ['seam', 'clock'],
    rule: 'a driver sees the seam, the clock and its own client library, and no other driver',
    instead:
      'put what drivers share into src/backends/checked-backend.ts or validation.ts, and domain rules into src/store',
  },
  store: {
    may: ['domain', 'clock', SEAM_AND_ERRORS],
    rule: 'the store sees the domain, the clock, backends/backend.ts and backends/errors.ts, never a driver',
    instead: 'take a StorageBackend as an argument',
  },
  engine: {
    may: ['domain', 'clock'],
    rule: 'the engine knows handlers, a journal and a clock: no storage, no protocol, no lease',
    instead: 'let src/runtime hand the thing in',
  },
  runtime: {
    may: ['engine', 'store', 'domain', 'clock'],
    rule: 'the runtime joins engine and store (server → protocol → runtime → engine, store → domain)',
    instead: 'take what you need as an argument, or offer it from src/store; what is above the runtime calls it',
  },
  protocol: {
    may: ['runtime', 'engine', 'store', 'domain', 'clock'],
    rule: 'the protocol stands on the runtime and knows no backend and no server',
    instead: 'use the TaskStore interface, or let src/server hand the thing in',
  },
  workflow: {
    may: ['protocol', 'runtime', 'engine', 'store', 'domain', 'clock'],
    rule: 'workflows stand on the protocol’s tools and on the runtime, and know no backend and no server',
    instead: 'use the TaskStore interface, or let src/server hand the thing in',
  },
  operations: {
    may: ['protocol', 'runtime', 'engine', 'store', 'domain', 'clock', SEAM_AND_ERRORS],
    rule: 'operations stand on the store and the runtime, beside the protocol: they know no tools, no driver and no server',
    instead: 'take a StorageBackend or a TaskStore as an argument; print in bin/',
  },
  server: {
    may: ['workflow', 'protocol', 'runtime', 'engine', 'store', 'domain', 'clock', SEAM_AND_ERRORS, 'composition'],
    rule: 'src/server assembles what it is given; only src/server/local-engines.ts opens a driver',
    instead: 'take a StorageBackend as an argument, or do it in src/server/local-engines.ts',
  },
  composition: {
    may: ['server', 'workflow', 'protocol', 'runtime', 'engine', 'store', 'domain', 'clock', 'seam', 'driver'],
    rule: 'a composition root wires everything in src, but neither test material nor the public index',
    instead: 'import the concept’s own file',
  },
  index: {
    may: ['server', 'workflow', 'protocol', 'runtime', 'engine', 'store', 'domain', 'clock', 'seam'],
    rule: 'src/index.ts exports no driver and no test material: they are sub-path exports, so that clients stay optional',
    instead: 'add a sub-path to `exports` in package.json',
  },
  testing: {
    may: ['seam', 'driver', 'domain', 'clock'],
    rule: 'src/testing is for people who write a backend: it sees backends, clock and domain',
    instead: 'put a test of a higher layer, or its support code, into test/',
  },
  shared: {
    may: ['workflow', 'protocol', 'runtime', 'store', 'domain', 'clock', 'seam', 'driver'],
    rule: 'lambda/shared/ is what several functions have in common, and knows none of them',
    instead: 'put what one function needs beside its handler, or into lambda/endpoint/ or lambda/authentication/',
  },
  lambda: {
    may: [
      'shared',
      'index',
      'server',
      'protocol',
      'runtime',
      'store',
      'domain',
      'clock',
      'seam',
      'driver',
      DEFAULT_TOOLS,
    ],
    rule: 'lambda/ stands on src/ and knows neither CDK nor the command lines',
    instead: 'let lib/ pass it in as an environment variable',
  },
  lib: {
    may: [/^lambda\/shared\/(words|environment)\.ts$/, /^src\/backends\/dynamodb-attributes\.ts$/],
    rule: 'lib/ sees lambda/ only as entry paths, words and environment, and src/ only as the table’s attributes',
    instead: 'name the entry file by path; share a name through lambda/shared/words.ts',
  },
  bin: {
    may: ['lib', 'index', 'server', 'operations', 'composition', 'driver', 'seam', 'clock'],
    rule: 'bin/ is a command line over lib/, src/server or src/operations',
    instead: 'move the logic into src/server, src/operations or lib/',
  },
};

interface VendorHome {
  readonly packages: RegExp;
  readonly homes: RegExp;
  readonly where: string;
}

/** A package that is not listed has no home, and may be imported nowhere below src, lambda, lib and bin. */
export const VENDORS: readonly VendorHome[] = [
  { packages: /^@modelcontextprotocol\/node(\/|$)/, homes: /^src\/(server|protocol)\//, where: 'src/server/' },
  { packages: /^@modelcontextprotocol\//, homes: /^src\/protocol\//, where: 'src/protocol/' },
  {
    packages: /^@aws-sdk\/(client|lib|util)-dynamodb(\/|$)/,
    homes: /^(src\/backends\/dynamodb[^/]*|lambda\/shared\/storage)\.ts$/,
    where: 'src/backends/dynamodb*.ts and lambda/shared/storage.ts',
  },
  {
    packages: /^ioredis(\/|$)/,
    homes: /^(src\/backends\/redis[^/]*|lambda\/shared\/cache)\.ts$/,
    where: 'src/backends/redis*.ts',
  },
  {
    packages: /^@aws-sdk\/client-sqs$/,
    homes: /^(src\/runtime\/queues\/sqs-[^/]*|lambda\/shared\/composition)\.ts$/,
    where: 'src/runtime/queues/sqs-*.ts',
  },
  {
    packages: /^sqs-consumer$/,
    homes: /^src\/runtime\/queues\/sqs-consumer\.ts$/,
    where: 'src/runtime/queues/sqs-consumer.ts',
  },
  {
    packages: /^bullmq$/,
    homes: /^src\/runtime\/queues\/bullmq-queue\.ts$/,
    where: 'src/runtime/queues/bullmq-queue.ts',
  },
  { packages: /^@aws-sdk\/credential-provider-env$/, homes: /^lambda\/shared\//, where: 'lambda/shared/' },
  { packages: /^jose$/, homes: /^lambda\/authentication\//, where: 'lambda/authentication/' },
  // The team's tools, by the name under which the construct puts them into the bundle.
  { packages: /^#tools$/, homes: /^lambda\/[^/]*\.ts$/, where: 'lambda/' },
  { packages: /^node:sqlite$/, homes: /^src\/backends\/sqlite[^/]*\.ts$/, where: 'src/backends/sqlite.ts' },
  { packages: /^(@middy|@aws-lambda-powertools)\//, homes: /^lambda\//, where: 'lambda/' },
  // Types only.
  { packages: /^aws-lambda$/, homes: /^lambda\//, where: 'lambda/' },
  { packages: /^(aws-cdk-lib|constructs|cdk-nag|@aws-cdk\/|esbuild)/, homes: /^(lib|bin)\//, where: 'lib/ and bin/' },
  {
    packages: /^zod(\/|$)/,
    homes: /^src\/(store|engine|runtime|protocol|workflow)\//,
    where: 'src/store/, src/engine/, src/runtime/, src/protocol/ and src/workflow/',
  },
  {
    packages: /^@standard-schema\/spec$/,
    homes: /^src\/(protocol|runtime|server)\//,
    where: 'src/protocol/, src/runtime/ and src/server/',
  },
  { packages: /^node:/, homes: /^(?!src\/domain\/)/, where: 'any layer but src/domain/' },
];

/** Names that say nothing about what lives in the file. */
export const EMPTY_NAMES = ['utils', 'util', 'helpers', 'helper', 'types', 'common', 'manager', 'misc'] as const;

export const MAX_LINES = 400;
