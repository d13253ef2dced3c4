import { JetStreamApiError, type JetStreamClient } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import type { ObjectInfo } from '@nats-io/obj';
import type { Blobs } from './blobs.js';

/** A blob as the store lists it. */
export interface StoredBlob {
  readonly sha256: string;
  /** Id of the object that holds its bytes; stored anew it is another. */
  readonly object: string;
  /** Place of its entry in the store: what a removal compares with. */
  readonly place: number;
  readonly bytes: number;
  readonly writtenAt: Date;
}

/** Parts of an upload that was never finished. */
export interface AbandonedUpload {
  readonly object: string;
  readonly parts: number;
}

/** An object store whose blobs can be removed. */
export interface RemovableBlobs extends Blobs {
  readonly js: JetStreamClient;
}

// The object store's own layout: an entry `$O.<bucket>.M.<name in base64url>` for each object, its parts under
// `$O.<bucket>.C.<id of the object>`. The client's `delete` compares nothing; here a removal must not hit a successor.
const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);
const stream = ({ bucket }: RemovableBlobs): string => `OBJ_${bucket}`;
const entryPrefix = ({ bucket }: RemovableBlobs): string => `$O.${bucket}.M.`;
const partsPrefix = ({ bucket }: RemovableBlobs): string => `$O.${bucket}.C.`;

function paddedBase64Url(name: string): string {
  return Buffer.from(name).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

interface Entry {
  readonly info: ObjectInfo;
  readonly subject: string;
  readonly sequence: number;
  readonly time: Date;
}

/** Every blob that is there, deleted ones left out. */
export async function listBlobs(blobs: RemovableBlobs): Promise<StoredBlob[]> {
  const found: StoredBlob[] = [];
  for (const subject of (await subjects(blobs, `${entryPrefix(blobs)}>`)).keys()) {
    const entry = await readEntry(blobs, subject);
    if (!entry || entry.info.deleted) continue;
    const { name, nuid, size } = entry.info;
    found.push({
      sha256: name,
      object: nuid,
      place: entry.sequence,
      bytes: size,
      writtenAt: entry.time,
    });
  }
  return found;
}

/** Removes the listed object: first its entry, unless that changed, then its parts, which are its alone. */
export async function removeBlob(blobs: RemovableBlobs, blob: StoredBlob): Promise<void> {
  const subject = entryPrefix(blobs) + paddedBase64Url(blob.sha256);
  const entry = await readEntry(blobs, subject);
  if (entry && !entry.info.deleted && entry.info.nuid === blob.object) {
    const deleted = { ...entry.info, size: 0, chunks: 0, deleted: true };
    const how = headers();
    how.set('Nats-Rollup', 'sub');
    try {
      await blobs.js.publish(subject, JSON.stringify(deleted), {
        headers: how,
        expect: { lastSubjectSequence: blob.place },
      });
    } catch (error) {
      // It was stored anew meanwhile: only the old object's parts go.
      if (!(error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.has(error.code))) throw error;
    }
  }
  await removeParts(blobs, blob.object);
}

/** Uploads without an entry whose last part came before `before`. */
export async function abandonedUploads(blobs: RemovableBlobs, before: Date): Promise<AbandonedUpload[]> {
  // Parts first: an upload that is finished in between is then in the list of entries.
  const parts = await subjects(blobs, `${partsPrefix(blobs)}>`);
  const used = new Set((await listBlobs(blobs)).map(({ object }) => object));
  const abandoned: AbandonedUpload[] = [];
  for (const [subject, count] of parts) {
    const object = subject.slice(partsPrefix(blobs).length);
    if (used.has(object)) continue;
    const last = await blobs.jsm.streams.getMessage(stream(blobs), { last_by_subj: subject });
    if (last && last.time < before) abandoned.push({ object, parts: count });
  }
  return abandoned;
}

/** Removes the parts of an object. */
export async function removeParts(blobs: RemovableBlobs, object: string): Promise<void> {
  await blobs.jsm.streams.purge(stream(blobs), { filter: partsPrefix(blobs) + object });
}

async function subjects(blobs: RemovableBlobs, filter: string): Promise<Map<string, number>> {
  const { state } = await blobs.jsm.streams.info(stream(blobs), { subjects_filter: filter });
  return new Map(Object.entries(state.subjects ?? {}));
}

async function readEntry(blobs: RemovableBlobs, subject: string): Promise<Entry | undefined> {
  const message = await blobs.jsm.streams.getMessage(stream(blobs), { last_by_subj: subject });
  if (!message) return undefined;
  const info = JSON.parse(Buffer.from(message.data).toString('utf8')) as ObjectInfo;
  return { info, subject, sequence: message.seq, time: message.time };
}
