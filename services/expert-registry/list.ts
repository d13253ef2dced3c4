import { type ExpertVersion, ExpertVersion as Version } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { checkName } from '#shared/svf/names.js';
import { describe, type ExpertEntry, type VersionEntry, type View } from './view.js';

/** Most versions of one page. */
export const PAGE_MAX = 1000;
const PAGE_DEFAULT = 100;

/** What is listed. */
export interface Listing {
  /** Only this model; '' = all. */
  readonly model: string;
  /** Only this expert; '' = all. */
  readonly name: string;
  readonly includeRetired: boolean;
  /** 0 = 100. */
  readonly pageSize: number;
  /** '' = the first page. */
  readonly pageToken: string;
}

/** Where a page ended: the last version on it. */
interface Cursor {
  readonly model: string;
  readonly name: string;
  readonly revision: number;
}

/**
 * A page of versions: by model, by expert, newest first. Versions that are published while someone pages do not shift the
 * pages. Throws INVALID_FIELD, BAD_PAGE_TOKEN (also for a token of a listing with other filters).
 */
export function listExperts(
  view: View,
  listing: Listing,
): { experts: ExpertVersion[]; nextPageToken: string } {
  if (listing.model !== '') checkName(listing.model, 'model');
  if (listing.name !== '') checkName(listing.name, 'name');
  const size = listing.pageSize === 0 ? PAGE_DEFAULT : listing.pageSize;
  if (size > PAGE_MAX) {
    const message = `page_size is ${size}, the limit is ${PAGE_MAX}`;
    throw new ZmeshError('INVALID_FIELD', message, { field: 'page_size', limit: PAGE_MAX, value: size });
  }
  const after = listing.pageToken === '' ? undefined : parseToken(listing);
  const experts: ExpertVersion[] = [];
  let last: Cursor | undefined;
  for (const { expert, version } of versions(view, listing, after)) {
    if (experts.length === size && last) return { experts, nextPageToken: formatToken(listing, last) };
    experts.push(Version.create(describe(expert, version)));
    last = { model: expert.model, name: expert.name, revision: version.revision };
  }
  return { experts, nextPageToken: '' };
}

function* versions(
  view: View,
  listing: Listing,
  after: Cursor | undefined,
): Generator<{ expert: ExpertEntry; version: VersionEntry }> {
  const experts = [...view.experts.values()]
    .filter((expert) => listing.model === '' || expert.model === listing.model)
    .filter((expert) => listing.name === '' || expert.name === listing.name)
    .filter((expert) => !after || compareNames(expert, after) >= 0)
    .sort(compareNames);
  for (const expert of experts) {
    const newestFirst = [...expert.versions.values()].sort((a, b) => b.revision - a.revision);
    for (const version of newestFirst) {
      if (version.retired && !listing.includeRetired) continue;
      if (after && compareNames(expert, after) === 0 && version.revision >= after.revision) continue;
      yield { expert, version };
    }
  }
}

type Names = { readonly model: string; readonly name: string };

function compareNames(a: Names, b: Names): number {
  if (a.model !== b.model) return a.model < b.model ? -1 : 1;
  return a.name === b.name ? 0 : a.name < b.name ? -1 : 1;
}

const filters = (listing: Listing): string =>
  JSON.stringify([listing.model, listing.name, listing.includeRetired]);

function formatToken(listing: Listing, cursor: Cursor): string {
  return Buffer.from(JSON.stringify([filters(listing), cursor.model, cursor.name, cursor.revision])).toString(
    'base64url',
  );
}

function parseToken(listing: Listing): Cursor {
  const bad = new ZmeshError('BAD_PAGE_TOKEN', 'page_token is none of this listing', { field: 'page_token' });
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(listing.pageToken, 'base64url').toString('utf8'));
  } catch {
    throw bad;
  }
  if (!Array.isArray(parts) || parts.length !== 4) throw bad;
  const [madeFor, model, name, revision] = parts as unknown[];
  if (madeFor !== filters(listing) || typeof model !== 'string' || typeof name !== 'string') throw bad;
  if (!Number.isSafeInteger(revision)) throw bad;
  return { model, name, revision: revision as number };
}
