/** The version of the package that a program of it belongs to, from a checkout as from an installation. */
import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

export function versionOf(): string {
  const manifest = findPackageJSON(import.meta.url);
  return manifest === undefined ? 'unknown' : String(JSON.parse(readFileSync(manifest, 'utf8')).version);
}
