import { isFault } from '../base/mesh-error.ts'

/** There was no room for a write. It may be tried again, unlike one whose sync failed. */
export const isDiskFull = (error: unknown): boolean =>
  isFault(error, 'storage/io') && ['ENOSPC', 'EDQUOT'].includes(String(error.fault['reason']))
