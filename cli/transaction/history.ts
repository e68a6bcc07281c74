import type { HistoryEntry } from '../store/index.ts';
import type { Intent } from './types.ts';

/** The part of a change's history entry that its intent alone tells. */
export function historyOf({
  schema,
  id,
  verb,
  started,
  from,
  to,
  reason,
  cause,
  user,
}: Intent): Pick<HistoryEntry, 'schema' | 'id' | 'verb' | 'at' | 'from' | 'to' | 'reason' | 'cause' | 'user'> {
  return {
    schema,
    id,
    verb,
    at: started,
    cause,
    from,
    to,
    reason,
    user,
  };
}
