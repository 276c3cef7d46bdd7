/** Runs the storage contract on every backend, each case with instances, clock and partitions of its own. */
import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CheckedBackend } from '../../src/backends/checked-backend.ts';
import { backendContract, type ContractCase, sweepingBackendContract } from '../../src/testing/backend-contract.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { backends, type OpenEngine } from './backends.ts';

describe.each(backends.map((backend) => ({ variant: '', ...backend, cited: backend.ids.join(' ') })))(
  'the $driver$variant backend [$cited]',
  ({ driver, sweeps, open }) => {
    let engine: OpenEngine;

    beforeAll(async () => {
      engine = await open();
    });

    afterAll(async () => {
      await engine.dispose();
    });

    const cases = sweeps ? [...backendContract, ...sweepingBackendContract] : backendContract;
    for (const contractCase of cases) {
      test(`${contractCase.name} [${contractCase.ids.join(' ')}]`, () => runCase(engine, contractCase));
    }

    test('leaves the checks of its arguments to the seam [STORE-1 STORE-5]', async () => {
      const [backend] = await engine.create(new ManualClock(), 1);

      expect(backend).toBeInstanceOf(CheckedBackend);

      await backend?.close();
    });

    test('is named after its driver [STORE-1]', async () => {
      const [backend] = await engine.create(new ManualClock(), 1);

      expect(backend?.name).toBe(driver);

      await backend?.close();
    });
  },
);

test('every driver in src/backends runs the contract [STORE-5]', async () => {
  const folder = new URL('../../src/backends/', import.meta.url);
  const drivers: string[] = [];
  for (const file of await readdir(folder)) {
    const source = await readFile(new URL(file, folder), 'utf8');
    if (/^export class \w+Backend\b/m.test(source)) drivers.push(file.replace(/\.ts$/, ''));
  }

  expect([...new Set(backends.map(({ driver }) => driver))].toSorted()).toEqual(drivers.toSorted());
});

test('the cases of the contract have names and requirement ids to be found by [STORE-5]', () => {
  const cases = [...backendContract, ...sweepingBackendContract];

  expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  expect(cases.filter(({ ids }) => ids.length === 0)).toEqual([]);
  expect(cases.flatMap(({ ids }) => ids).filter((id) => !/^(?:I|[A-Z]+-)\d+$/.test(id))).toEqual([]);
});

async function runCase(engine: OpenEngine, contractCase: ContractCase): Promise<void> {
  const clock = new ManualClock();
  const [backend, other] = await engine.create(clock, 2);
  if (backend === undefined || other === undefined) throw new Error('the engine created no two instances');
  try {
    await contractCase.run({ backend, other, clock, partition: () => `contract-${randomUUID()}-` });
  } finally {
    await backend.close();
    await other.close();
  }
}
