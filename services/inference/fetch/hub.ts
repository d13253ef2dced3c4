import { HubApiError, listFiles, modelInfo } from '@huggingface/hub';
import { ZmeshError } from '#shared/errors.js';
import type { ContentHash } from './content-hash.js';
import { createHubFetch, type HubPatience } from './hub-fetch.js';
import type { HubReference } from './reference.js';

/** A file of a repository. */
export interface HubFile {
  /** In the repository, with `/`. */
  readonly path: string;
  readonly size: number;
  /** Null where the hub tells none. */
  readonly hash: ContentHash | null;
}

/** A repository at one commit. */
export interface HubRepository {
  /** `owner/repo`. */
  readonly name: string;
  readonly commit: string;
  /** The files directly in a folder; '' = the root. */
  list(folder: string): Promise<readonly HubFile[]>;
  /** Opens a file's content from a byte on. The answer may begin earlier: at 0, where the hub knows no ranges. */
  read(file: HubFile, fromByte: number, signal: AbortSignal): Promise<HubContent>;
}

/** A file's content from a byte on. */
export interface HubContent {
  readonly fromByte: number;
  readonly chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

const DEFAULT_ENDPOINT = 'https://huggingface.co';
/** Entries of a folder; the largest repositories have some hundred. */
const ENTRIES_MAX = 10_000;

/**
 * Finds a repository's commit on the hub. `HF_ENDPOINT` names another hub, `HF_TOKEN` is sent to it.
 * @throws ZmeshError SOURCE_UNAVAILABLE (offline, or the token does not suffice), UNKNOWN_MODEL, INVALID_FIELD.
 */
export async function openHubRepository(options: {
  readonly reference: HubReference;
  readonly env: NodeJS.ProcessEnv;
  readonly patience: HubPatience;
  readonly onNote: (message: string) => void;
}): Promise<HubRepository> {
  const { reference, env, patience, onNote } = options;
  const endpoint = readEndpoint(env.HF_ENDPOINT);
  const hubUrl = endpoint.href.replace(/\/+$/, '');
  const token = env.HF_TOKEN || undefined;
  const request = createHubFetch({ endpoint, token, patience, onNote });
  const { repository: name, revision } = reference;
  const refused = (status: number, file?: string): ZmeshError =>
    refusal({ hubUrl, reference, status, token, ...(file === undefined ? {} : { file }) });
  const asked = { hubUrl, fetch: request };
  const info = await understand(refused, hubUrl, () =>
    modelInfo({ name, revision, additionalFields: ['sha'], ...asked }),
  );
  const commit: unknown = info.sha;
  if (typeof commit !== 'string' || !/^[0-9a-f]{40,64}$/.test(commit)) throw notAHub(hubUrl, 'no commit');
  return {
    name,
    commit,
    list: (folder) =>
      understand(refused, hubUrl, async () => {
        const files: HubFile[] = [];
        const path = folder === '' ? {} : { path: folder };
        for await (const entry of listFiles({ repo: name, revision: commit, ...path, ...asked })) {
          if (entry.type === 'file') files.push(readEntry(entry, hubUrl));
          if (files.length > ENTRIES_MAX) throw notAHub(hubUrl, `more than ${ENTRIES_MAX} files in a folder`);
        }
        return files;
      }),
    async read(file, fromByte, signal) {
      const path = file.path.split('/').map(encodeURIComponent).join('/');
      const headers: Record<string, string> = fromByte > 0 ? { range: `bytes=${fromByte}-` } : {};
      const response = await request(`${hubUrl}/${name}/resolve/${commit}/${path}`, { headers, signal });
      if (!response.ok) throw refused(response.status, file.path);
      return { fromByte: beginOf(response, file, hubUrl), chunks: response.body ?? [] };
    },
  };
}

function readEndpoint(text: string | undefined): URL {
  const endpoint = parseUrl(text || DEFAULT_ENDPOINT);
  if (endpoint && /^https?:$/.test(endpoint.protocol)) return endpoint;
  const message = `HF_ENDPOINT must be an address like ${DEFAULT_ENDPOINT}, it is ${JSON.stringify(text)}`;
  throw new ZmeshError('INVALID_FIELD', message, { field: 'HF_ENDPOINT', value: text ?? '' });
}

/** Where the answer's bytes begin in the file. */
function beginOf(response: Response, { path, size }: HubFile, hubUrl: string): number {
  if (response.status !== 206) return 0;
  const [, first, total] =
    /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '') ?? [];
  if (first !== undefined && (total === '*' || Number(total) === size)) return Number(first);
  throw notAHub(hubUrl, `a range of ${path} that is not one of ${size} bytes`);
}

/** What the hub says about a file is a stranger's data: checked before anything is named or allocated after it. */
function readEntry(
  entry: { path: unknown; size: unknown; oid?: unknown; lfs?: unknown },
  hubUrl: string,
): HubFile {
  const { path, size, oid } = entry;
  const lfs = (entry.lfs ?? undefined) as { oid?: unknown } | undefined;
  if (typeof path !== 'string' || !Number.isSafeInteger(size) || Number(size) < 0)
    throw notAHub(hubUrl, `a file without a name or size: ${JSON.stringify(entry).slice(0, 100)}`);
  const hash = readHash(lfs ? 'sha256' : 'git-sha1', lfs ? lfs.oid : oid);
  return { path, size: Number(size), hash };
}

function readHash(algorithm: ContentHash['algorithm'], hex: unknown): ContentHash | null {
  const pattern = algorithm === 'sha256' ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/;
  return typeof hex === 'string' && pattern.test(hex) ? { algorithm, hex } : null;
}

async function understand<T>(
  refused: (status: number) => ZmeshError,
  hubUrl: string,
  ask: () => Promise<T>,
): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ZmeshError) throw error;
    if (error instanceof HubApiError) throw refused(error.statusCode);
    throw notAHub(hubUrl, error instanceof Error ? error.message : String(error), error);
  }
}

function refusal(options: {
  hubUrl: string;
  reference: HubReference;
  status: number;
  token: string | undefined;
  /** What was asked for, if not the repository itself. */
  file?: string;
}): ZmeshError {
  const { hubUrl, reference, status, token, file } = options;
  const { repository, revision } = reference;
  const what = file === undefined ? repository : `${file} of ${repository}`;
  const names = { repository, revision };
  if (status === 404)
    return new ZmeshError('UNKNOWN_MODEL', `${hubUrl} has no ${what} at revision ${revision}`, {
      names,
    });
  const because =
    status === 401 || status === 403
      ? token
        ? `HTTP ${status}): it does not exist, or the token in HF_TOKEN has no access to it`
        : `HTTP ${status}): it does not exist, or it needs a token in HF_TOKEN`
      : `HTTP ${status})`;
  return new ZmeshError('SOURCE_UNAVAILABLE', `${hubUrl} refuses ${what} (${because}`, {
    names,
    value: status,
  });
}

function notAHub(hubUrl: string, what: string, cause?: unknown): ZmeshError {
  return new ZmeshError('SOURCE_UNAVAILABLE', `${hubUrl} does not answer as a hub does: ${what}`, { cause });
}

function parseUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}
