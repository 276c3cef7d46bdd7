/**
 * A backend by its address, as a command line gives it: what the address means, and the one line
 * that a person reads when it cannot be opened. Which driver that is: see `local-engines.ts`.
 */
import { BackendError, BackendInvalidError, BackendUnavailableError } from '../backends/errors.ts';
import { engines, type OpenedBackend } from './local-engines.ts';
import { missingLibraries } from './optional-libraries.ts';

export type { OpenedBackend } from './local-engines.ts';

export type BackendAddress =
  | { readonly engine: 'memory' }
  | { readonly engine: 'sqlite'; readonly file: string }
  | { readonly engine: 'dynamodb'; readonly table: string; readonly endpoint?: string }
  | {
      readonly engine: 'redis';
      readonly url: string;
      /** Begins each key, so that deployments which know nothing of each other can share one Redis. */
      readonly keyPrefix?: string;
    };

export interface OpenBackendOptions {
  /** Creates the DynamoDB table if it is missing. */
  readonly createTable?: boolean;
}

export const BACKEND_ADDRESSES = 'memory, sqlite:FILE, dynamodb:TABLE[?endpoint=URL], redis[s]://HOST[?keyPrefix=TEXT]';

/** Throws `BackendInvalidError`, which says what is wrong with the address, and connects to nothing. */
export function parseBackendAddress(text: string): BackendAddress {
  const [, scheme = '', rest = ''] = /^([a-z]+)(?::(.*))?$/s.exec(text) ?? [];
  switch (scheme) {
    case 'memory':
      if (text !== 'memory') throw new BackendInvalidError('the memory backend takes no address: use memory');
      return { engine: 'memory' };
    case 'sqlite':
      if (rest === '')
        throw new BackendInvalidError('sqlite: names no file: use sqlite:FILE, e.g. sqlite:.data/tasks.sqlite');
      return { engine: 'sqlite', file: rest };
    case 'dynamodb':
      return parseDynamoDb(rest);
    case 'redis':
    case 'rediss':
      return parseRedis(text);
    default:
      throw new BackendInvalidError(`unknown backend "${text}": use ${BACKEND_ADDRESSES}`);
  }
}

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html */
const TABLE_NAME = /^[A-Za-z0-9_.-]{3,255}$/;

function parseDynamoDb(rest: string): BackendAddress {
  const [table = '', query = ''] = rest.split('?', 2);
  if (!TABLE_NAME.test(table)) {
    throw new BackendInvalidError(
      `"${table}" is no DynamoDB table: a name has 3 to 255 letters, digits, "_", "-" or "."`,
    );
  }
  const options = new URLSearchParams(query);
  const unknown = [...options.keys()].find((name) => name !== 'endpoint');
  if (unknown !== undefined) throw new BackendInvalidError(`dynamodb: knows no "${unknown}": use ?endpoint=URL`);
  const endpoint = options.get('endpoint');
  if (endpoint === null) return { engine: 'dynamodb', table };
  if (!isUrl(endpoint, /^https?:$/)) {
    throw new BackendInvalidError(`endpoint "${endpoint}" is no URL: use one like http://localhost:8000`);
  }
  return { engine: 'dynamodb', table, endpoint };
}

/** Of the options, ioredis would take some for its own. */
function parseRedis(text: string): BackendAddress {
  if (!isUrl(text, /^rediss?:$/)) throw new BackendInvalidError('this is no Redis address: use redis://HOST:PORT');
  const [url = '', query = ''] = text.split('?', 2);
  const options = new URLSearchParams(query);
  const unknown = [...options.keys()].find((name) => name !== 'keyPrefix');
  if (unknown !== undefined) throw new BackendInvalidError(`redis: knows no "${unknown}": use ?keyPrefix=TEXT`);
  const keyPrefix = options.get('keyPrefix');
  return keyPrefix === null ? { engine: 'redis', url } : { engine: 'redis', url, keyPrefix };
}

function isUrl(text: string, protocol: RegExp): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && protocol.test(url.protocol) && url.hostname !== '';
}

/** The optional client libraries of each engine. */
const LIBRARIES: { readonly [engine in BackendAddress['engine']]: readonly string[] } = {
  memory: [],
  sqlite: [],
  dynamodb: ['@aws-sdk/client-dynamodb', '@aws-sdk/lib-dynamodb'],
  redis: ['ioredis'],
};

/**
 * Opens the backend and makes sure that it answers. Rejects with a `BackendError` that says what to
 * do: about a missing client library or table, a file of another program, an engine that is not there.
 */
export async function openBackend(address: BackendAddress, options: OpenBackendOptions = {}): Promise<OpenedBackend> {
  try {
    return await open(address, options.createTable ?? false);
  } catch (error) {
    throw explained(address, error);
  }
}

function open(address: BackendAddress, createTable: boolean): Promise<OpenedBackend> {
  switch (address.engine) {
    case 'memory':
      return engines.memory();
    case 'sqlite':
      return engines.sqlite(address.file);
    case 'dynamodb':
      return engines.dynamodb(address, createTable);
    case 'redis':
      return engines.redis(address);
  }
}

/** What a person can do about a DynamoDB that does not answer; the other drivers say it themselves. */
const DYNAMODB_REMEDY = 'check AWS_REGION, the credentials and, with an engine of your own, that ?endpoint= is right';

function explained({ engine }: BackendAddress, cause: unknown): BackendError {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof BackendError) {
    return engine === 'dynamodb' && cause.retryable
      ? new BackendUnavailableError(`${message}: ${DYNAMODB_REMEDY}`, { cause })
      : cause;
  }
  const missing = missingLibraries(cause, LIBRARIES[engine]);
  if (missing !== undefined) return new BackendUnavailableError(`the ${engine} backend ${missing}`, { cause });
  const remedy = engine === 'dynamodb' ? `: ${DYNAMODB_REMEDY}` : '';
  return new BackendUnavailableError(`the ${engine} backend cannot be used: ${message}${remedy}`, { cause });
}
