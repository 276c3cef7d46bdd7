/** Reading a whole partition, page by page: the one loop over cursors. Other work of the process goes on in between. */
import type { ListOptions, StorageBackend, StoredRecord } from '../backends/backend.ts';
import { eventLoopTurn } from '../clock.ts';

export async function* pagesOf(
  backend: StorageBackend,
  partition: string,
  options: Omit<ListOptions, 'cursor'>,
): AsyncGenerator<readonly StoredRecord[]> {
  let cursor: string | undefined;
  do {
    const page = await backend.list(partition, { ...options, ...(cursor === undefined ? {} : { cursor }) });
    yield page.records;
    cursor = page.cursor;
    if (cursor !== undefined) await eventLoopTurn();
  } while (cursor !== undefined);
}
