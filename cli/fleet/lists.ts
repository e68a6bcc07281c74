import type { ApiServer } from '../cluster/api.ts';
import { unreadable } from '../cluster/complaints.ts';
import { listAt, numberAt, tableAt, textAt } from '../cluster/values.ts';
import { KataError } from '../errors/index.ts';

const pageSize = '500';
/** 100,000 objects: Kubernetes itself is made for 5,000 nodes. */
const maxPages = 200;

/** What a list is asked for; `namespaced` names it in a message. */
export interface Listing {
  path: string;
  query?: Record<string, string>;
}

/**
 * Gives each object of a list to `take`, page by page, so that no more than one page is in memory. A list that expires while it is read
 * (status 410) begins again once: then `take` sees some objects twice.
 */
export async function eachOf(api: ApiServer, listing: Listing, take: (item: unknown) => void): Promise<void> {
  await eachPage(api, listing, undefined, (page) => {
    for (const item of listAt(page, 'items')) take(item);
  });
}

/** The form in which an API server makes rows for people: names of columns, cells, and the metadata of the object. It leaves out the rest. */
const tableForm = 'application/json;as=Table;v=v1;g=meta.k8s.io';

/** The same as rows: a cell by the name of its column, and the metadata. */
export async function eachRow(
  api: ApiServer,
  listing: Listing,
  take: (cell: (column: string) => unknown, metadata: Record<string, unknown>) => void,
): Promise<void> {
  let columns: string[] = [];
  await eachPage(api, { ...listing, query: { ...listing.query, includeObject: 'Metadata' } }, tableForm, (page) => {
    if (textAt(page, 'kind') !== 'Table') throw unreadable(listing.path, 'another form than the rows that were asked for');
    const named = listAt(page, 'columnDefinitions').map((each) => textAt(each, 'name') ?? '');
    if (named.length > 0) columns = named;
    for (const row of listAt(page, 'rows')) {
      const metadata = tableAt(row, 'object', 'metadata');
      if (metadata !== undefined) take((column) => listAt(row, 'cells')[columns.indexOf(column)], metadata);
    }
  });
}

async function eachPage(
  api: ApiServer,
  { path, query }: Listing,
  accept: string | undefined,
  take: (page: unknown) => void,
): Promise<void> {
  let next: string | undefined;
  let again = false;
  for (let pages = 0; pages < maxPages; pages++) {
    const all = { ...query, limit: pageSize, ...(next !== undefined && { continue: next }) };
    try {
      const page = await api.get(path, { query: all, ...(accept !== undefined && { accept }) });
      take(page);
      next = textAt(page, 'metadata', 'continue');
      if (next === undefined || next === '') return;
    } catch (error) {
      if (again || next === undefined || !isExpired(error)) throw error;
      again = true;
      next = undefined;
    }
  }
  throw unreadable(path, `a list of more than ${maxPages} pages`);
}

function isExpired(error: unknown): boolean {
  return error instanceof KataError && numberAt(error.complaint.details, 'status') === 410;
}
