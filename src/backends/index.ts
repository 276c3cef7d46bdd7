/** For people who write a backend: the seam, its errors, the class to extend, and what drivers share. */
export {
  type ListOptions,
  MAX_ID_BYTES,
  MAX_PARTITION_BYTES,
  MAX_VALUE_BYTES,
  type Page,
  type RecordKey,
  type RecordWrite,
  type StorageBackend,
  type StoredRecord,
  type Version,
} from './backend.ts';
export { CheckedBackend, type PageRead } from './checked-backend.ts';
export {
  BackendConflictError,
  BackendError,
  type BackendErrorCode,
  BackendFormatError,
  BackendInvalidError,
  BackendLimitError,
  BackendLostError,
  BackendUnavailableError,
} from './errors.ts';
export { addBelow, isLive, type PageQuery, parseCount } from './validation.ts';
