/**
 * The attributes of which DynamoDB itself is told, by name: keys and expiry. Imports nothing, so that the infrastructure's
 * table is made of the same names without loading a client.
 */

/** Both keys are strings; there is no index. */
export const TABLE_KEYS = { partition: 'PK', sort: 'SK' } as const;

/** Epoch seconds. DynamoDB removes expired items by it within days; reads never rely on that. */
export const TTL_ATTRIBUTE = 'expiresAt';
