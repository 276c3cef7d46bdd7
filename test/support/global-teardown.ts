/** Ends the engines that `global-setup.ts` started; engines it was pointed at stay as they are. */
import { stopEngines } from './engines/process.ts';

export default async function globalTeardown(): Promise<void> {
  await stopEngines();
}
