/** Loaded before a driver: packages that it imports are those of the clients' folder in the cache. */
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

const FOLDER = pathToFileURL(`${process.env['CLIENTS_FOLDER']}/`).href;
const HERE = new URL('.', import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const isPackage = /^[@\w]/.test(specifier) && !specifier.startsWith('node:') && !URL.canParse(specifier);
    const isOurs = context.parentURL?.startsWith(HERE) === true;
    return next(specifier, isPackage && isOurs ? { ...context, parentURL: FOLDER } : context);
  },
});
