/** A token issuer over local HTTP: keys that rotate, a discovery document, tokens good and bad. Counts the fetches of its keys. */
import { createServer } from 'node:http';
import { exportJWK, exportSPKI, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

export interface TestIssuer extends AsyncDisposable {
  /** The tokens' `iss`, and where discovery begins. */
  readonly url: string;
  readonly jwksUri: string;
  readonly fetches: () => number;
  /** A token as it should be, but for the given claims; `undefined` leaves a claim out. */
  sign(claims?: Readonly<Record<string, unknown>>, header?: Readonly<Record<string, unknown>>): Promise<string>;
  /** HS256, keyed with the RSA public key as everybody can read it. */
  signWithPublicKey(claims?: Readonly<Record<string, unknown>>): Promise<string>;
  /** A good signature under a header and a payload that are written by hand. */
  signText(header: string, payload: string | Uint8Array): Promise<string>;
  /** The header and claims of a token as it should be, for `signText`. */
  readonly header: () => Readonly<Record<string, unknown>>;
  readonly claims: () => Readonly<Record<string, unknown>>;
  rotate(): Promise<void>;
  /** From now on nothing is answered well. */
  breakDown(): void;
}

const ALGORITHM = 'RS256';
const HOUR_SECONDS = 3_600;

export async function startIssuer(audience: string): Promise<TestIssuer> {
  let fetches = 0;
  let broken = false;
  let generation = 0;
  let pair = await generateKeyPair(ALGORITHM);
  const published: JWK[] = [];
  const publish = async () => {
    generation += 1;
    published.splice(0, published.length, {
      ...(await exportJWK(pair.publicKey)),
      kid: `key-${generation}`,
      alg: ALGORITHM,
      use: 'sig',
    });
  };
  await publish();
  const server = createServer((request, response) => {
    const documents: Record<string, () => object> = {
      '/.well-known/openid-configuration': () => ({ issuer: url, jwks_uri: `${url}/keys` }),
      '/keys': () => {
        fetches += 1;
        return { keys: published };
      },
    };
    const document = documents[request.url ?? ''];
    if (broken || document === undefined) response.writeHead(broken ? 500 : 404).end();
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  const payload = (claims: Readonly<Record<string, unknown>> = {}): JWTPayload => {
    const now = Math.floor(Date.now() / 1000);
    const all = { iss: url, aud: audience, sub: 'alice', iat: now, exp: now + HOUR_SECONDS, scope: 'tasks', ...claims };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  };
  return {
    url,
    jwksUri: `${url}/keys`,
    fetches: () => fetches,
    sign: (claims, header) =>
      new SignJWT(payload(claims))
        .setProtectedHeader({ alg: ALGORITHM, kid: `key-${generation}`, ...header })
        .sign(pair.privateKey),
    signWithPublicKey: async (claims) =>
      new SignJWT(payload(claims))
        .setProtectedHeader({ alg: 'HS256', kid: `key-${generation}` })
        .sign(new TextEncoder().encode(await exportSPKI(pair.publicKey))),
    signText: async (header, text) => {
      const signed = `${base64url(header)}.${base64url(text)}`;
      const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', pair.privateKey, Buffer.from(signed));
      return `${signed}.${Buffer.from(signature).toString('base64url')}`;
    },
    header: () => ({ alg: ALGORITHM, kid: `key-${generation}` }),
    claims: () => payload(),
    rotate: async () => {
      pair = await generateKeyPair(ALGORITHM);
      await publish();
    },
    breakDown: () => {
      broken = true;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function base64url(text: string | Uint8Array): string {
  return Buffer.from(text).toString('base64url');
}

/** `alg: none`: three parts, the last of them empty. */
export function unsigned(claims: object, header: object = { alg: 'none' }, signature = ''): string {
  return `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}.${signature}`;
}
