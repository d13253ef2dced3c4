import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Cleanup } from '../../support/cleanup.js';

/** What the hub does wrong with one answer to a request for a file's content. */
export type Fault =
  /** Breaks the connection after so many bytes of the body. */
  | { readonly cutAfter: number }
  /** Sends so many bytes and then nothing, with the connection open. */
  | { readonly silentAfter: number }
  | { readonly status: number }
  /** Sends the whole file whatever is asked for. */
  | 'no-ranges'
  /** Sends other bytes of the same length. */
  | 'other-bytes'
  | 'too-many-bytes';

/** A request as it came. */
export interface Seen {
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** A local server that speaks the hub's paths: model info, tree listing, and content behind a redirect to another origin. */
export interface FakeHub {
  readonly url: string;
  /** Requests to the hub itself, in order. */
  readonly seen: readonly Seen[];
  /** Requests to the origin that large files' content comes from. */
  readonly contentSeen: readonly Seen[];
  /** Faults of the next answers with a file's content, by path; taken one by one. */
  readonly faults: Map<string, Fault[]>;
  /** Statuses of the next answers of the API. */
  readonly apiStatuses: number[];
}

/** The commit that `main` is at. */
export const COMMIT = 'c0ffee0123456789c0ffee0123456789c0ffee01';
/** Listings are split into pages of so many entries. */
const PAGE = 3;

/** Starts a hub with one repository. Files under `large` are LFS files, known by their SHA-256. */
export async function fakeHub(
  t: Cleanup,
  repository: {
    readonly name: string;
    readonly files: Readonly<Record<string, Buffer>>;
    readonly large?: readonly string[];
    /** Without it nothing is given out. */
    readonly token?: string;
  },
): Promise<FakeHub> {
  const { name, files, large = [], token } = repository;
  const seen: Seen[] = [];
  const contentSeen: Seen[] = [];
  const faults = new Map<string, Fault[]>();
  const apiStatuses: number[] = [];
  const content = await listen(t, (request, response) => {
    contentSeen.push(look(request));
    const path = decodeURIComponent(request.url!.slice(1));
    sendContent({ request, response, body: files[path]!, fault: faults.get(path)?.shift() });
  });
  const hub = await listen(t, (request, response) => {
    seen.push(look(request));
    const url = new URL(request.url!, 'http://hub');
    const [, , revision] =
      new RegExp(`^/api/models/${name}/(revision|tree)/([^/]+)`).exec(url.pathname) ?? [];
    const file = new RegExp(`^/${name}/resolve/${COMMIT}/(.+)$`).exec(url.pathname)?.[1];
    const status = file === undefined ? apiStatuses.shift() : undefined;
    if (status !== undefined) answer(response, status, { error: 'not now' });
    else if (token && request.headers.authorization !== `Bearer ${token}`)
      answer(response, 401, { error: 'Invalid username or password.' });
    else if (file !== undefined) {
      const path = decodeURIComponent(file);
      if (!files[path]) answer(response, 404, { error: 'Entry not found' });
      else if (large.includes(path)) response.writeHead(302, { location: `${content}/${file}` }).end();
      else sendContent({ request, response, body: files[path], fault: faults.get(path)?.shift() });
    } else if (revision !== 'main' && revision !== COMMIT) answer(response, 404, { error: 'Invalid rev id' });
    else if (url.pathname.includes('/revision/')) answer(response, 200, { id: name, _id: '1', sha: COMMIT });
    else answerTree({ response, url, files, large, base: `http://${request.headers.host}` });
  });
  return { url: hub, seen, contentSeen, faults, apiStatuses };
}

async function listen(
  t: Cleanup,
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server: Server = createServer(onRequest);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function answerTree(options: {
  response: ServerResponse;
  url: URL;
  files: Readonly<Record<string, Buffer>>;
  large: readonly string[];
  base: string;
}): void {
  const { response, url, files, large, base } = options;
  const folder = url.pathname.split(`/tree/${COMMIT}`)[1]!.replace(/^\//, '');
  const prefix = folder === '' ? '' : `${folder}/`;
  const inside = Object.keys(files).filter((path) => path.startsWith(prefix));
  const direct = inside.filter((path) => !path.slice(prefix.length).includes('/'));
  const folders = new Set(
    inside
      .filter((path) => !direct.includes(path))
      .map((path) => prefix + path.slice(prefix.length).split('/')[0]),
  );
  const entries = [
    ...[...folders].map((path) => ({ type: 'directory', path, size: 0, oid: '0'.repeat(40) })),
    ...direct.map((path) => fileEntry(path, files[path]!, large.includes(path))),
  ];
  const from = Number(url.searchParams.get('cursor') ?? 0);
  const next = new URL(url.pathname + url.search, base);
  next.searchParams.set('cursor', String(from + PAGE));
  const link = from + PAGE < entries.length ? { link: `<${next.href}>; rel="next"` } : {};
  answer(response, 200, entries.slice(from, from + PAGE), link);
}

function fileEntry(path: string, body: Buffer, isLarge: boolean): object {
  const sha256 = createHash('sha256').update(body).digest('hex');
  const pointer = Buffer.from(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${body.length}\n`,
  );
  const lfs = isLarge ? { lfs: { oid: sha256, size: body.length, pointerSize: pointer.length } } : {};
  return { type: 'file', path, size: body.length, oid: gitBlobHash(isLarge ? pointer : body), ...lfs };
}

function gitBlobHash(body: Buffer): string {
  return createHash('sha1')
    .update(Buffer.concat([Buffer.from(`blob ${body.length}\0`), body]))
    .digest('hex');
}

function sendContent(options: {
  request: IncomingMessage;
  response: ServerResponse;
  body: Buffer;
  fault: Fault | undefined;
}): void {
  const { request, response, body, fault } = options;
  if (typeof fault === 'object' && 'status' in fault) {
    answer(response, fault.status, { error: 'not now' });
    return;
  }
  const asked = fault === 'no-ranges' ? undefined : /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
  const from = Number(asked ?? 0);
  const rest = fault === 'other-bytes' ? Buffer.alloc(body.length - from, 7) : body.subarray(from);
  const sent = fault === 'too-many-bytes' ? Buffer.concat([rest, rest]) : rest;
  const range = asked ? { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` } : {};
  response.writeHead(asked ? 206 : 200, { 'content-length': sent.length, ...range });
  if (typeof fault !== 'object') {
    response.end(sent);
    return;
  }
  const [bytes, cut] = 'cutAfter' in fault ? [fault.cutAfter, true] : [fault.silentAfter, false];
  response.write(sent.subarray(0, bytes), () => {
    // What was written must reach the other side before the connection breaks.
    if (cut) setTimeout(() => response.destroy(), 50);
  });
}

function look(request: IncomingMessage): Seen {
  const { range, authorization } = request.headers;
  return { path: request.url!, range, authorization };
}

function answer(response: ServerResponse, status: number, body: unknown, headers: object = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}
