/** Client libraries that need not be installed: how a person learns that one is missing. */

/** What to install, if that is what is wrong. `libraries`: those that were needed. */
export function missingLibraries(error: unknown, libraries: readonly string[]): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'ERR_MODULE_NOT_FOUND') return undefined;
  // Only the libraries themselves: a missing module inside one is a broken installation, and its message says which.
  if (!libraries.some((library) => error.message.includes(`'${library}'`))) return undefined;
  const needed = `${libraries.length === 1 ? 'package' : 'packages'} ${libraries.join(' and ')}`;
  return `needs the ${needed}: npm install ${libraries.join(' ')}`;
}
