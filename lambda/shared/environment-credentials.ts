/**
 * Stands in for `@aws-sdk/credential-provider-node` in the bundles: a function's credentials are in its environment, and
 * the chain of other places to look (profiles, SSO, metadata services) is 130 KB that would be loaded for nothing.
 */
import { fromEnv } from '@aws-sdk/credential-provider-env';

export const defaultProvider = (): ReturnType<typeof fromEnv> => fromEnv();
