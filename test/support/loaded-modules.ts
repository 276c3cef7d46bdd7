/**
 * Run as a program: `node loaded-modules.ts FILE` imports FILE and prints, as JSON, the packages
 * and built-in modules that were resolved on the way, with all their own imports.
 */
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

const loaded = new Set<string>();
registerHooks({
  resolve(specifier, context, next) {
    const resolution = next(specifier, context);
    const inPackage = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(resolution.url);
    if (resolution.url.startsWith('node:')) loaded.add(resolution.url);
    else if (inPackage?.[1] !== undefined) loaded.add(inPackage[1]);
    return resolution;
  },
});

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: node loaded-modules.ts FILE');
await import(pathToFileURL(file).href);
process.stdout.write(JSON.stringify([...loaded].sort()));
