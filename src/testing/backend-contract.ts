/**
 * The contract of the storage seam, as data: what `src/backends/backend.ts` says in words, a
 * backend shows by passing every case. Free of any test framework; run each case in an
 * environment of its own and let its rejection be the test's failure.
 */
import type { ContractCase } from './contract/contract-case.ts';
import { countingCases } from './contract/counting.ts';
import { expiryCases } from './contract/expiry.ts';
import { keyAndValueCases } from './contract/keys-and-values.ts';
import { listingCases } from './contract/listing.ts';
import { racingCases } from './contract/racing.ts';
import { sweepingCases } from './contract/sweeping.ts';
import { writingCases } from './contract/writing.ts';

export type { ContractCase, ContractEnvironment } from './contract/contract-case.ts';

/** For every `StorageBackend`. */
export const backendContract: readonly ContractCase[] = [
  ...writingCases,
  ...keyAndValueCases,
  ...expiryCases,
  ...listingCases,
  ...countingCases,
  ...racingCases,
];

/** For a backend whose engine expires nothing by itself, besides {@link backendContract}. */
export const sweepingBackendContract: readonly ContractCase[] = sweepingCases;
