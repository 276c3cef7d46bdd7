/** Whose tasks a client over stdio makes, whatever it calls itself. */
import { expect, test } from '@jest/globals';
import { encodeOwner } from '../../../src/domain/owner.ts';
import { ownerOfClient } from '../../../src/server/stdio-owner.ts';

test.each([[undefined], [''], ['x'.repeat(5_000)], ['half of a pair \ud800']])(
  'a client that calls itself %j can connect, and has an owner [DX-4 SEC-3]',
  (name) => {
    const owner = ownerOfClient(undefined)(name);

    expect(() => encodeOwner(owner)).not.toThrow();
    expect(owner).toEqual({ issuer: 'stdio', subject: 'a client without a name' });
  },
);

test('clients are told apart by their names, and are one where the program was given a name [DX-4]', () => {
  expect(ownerOfClient(undefined)('a host')).toEqual({ issuer: 'stdio', subject: 'a host' });
  expect(ownerOfClient('me')('a host')).toEqual({ issuer: 'stdio', subject: 'me' });
});
