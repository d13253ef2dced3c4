import type { RegistryEvent } from '#proto/zmesh/v1/events.js';
import { WatchExpertsResponse } from '#proto/zmesh/v1/expert_registry.js';
import { sleep } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import { checkName } from '#shared/svf/names.js';
import { changeOf, expertPublished } from './change.js';
import type { RegistryStore } from './store.js';
import type { View } from './view.js';

/** What is watched. */
export interface Watch {
  /** Only this model; '' = all. */
  readonly model: string;
  /** Changes after this revision; 0 = the present state first. */
  readonly afterRevision: number;
  readonly signal: AbortSignal;
  /** Default KEEP_ALIVE_MS. */
  readonly keepAliveMs?: number;
}

/** A watcher hears at least this often from a registry that is connected to its store. */
export const KEEP_ALIVE_MS = 10_000;

/**
 * The registry's changes: the present state (or what is after a revision), the mark that it is complete, then every change
 * as it comes, and keep-alives while the store is connected; silence tells a watcher how old its view is.
 * Ends when the signal aborts, by throwing its reason. Throws REVISION_UNAVAILABLE for a revision that has left the log or is to come.
 */
export async function* watchExperts(
  { view, store }: { readonly view: View; readonly store: RegistryStore },
  watch: Watch,
): AsyncGenerator<WatchExpertsResponse, never> {
  if (watch.model !== '') checkName(watch.model, 'model');
  checkRevision(view, watch.afterRevision);
  let seen = watch.afterRevision === 0 ? view.revision : watch.afterRevision;
  if (watch.afterRevision === 0) {
    for (const event of presentState(view)) {
      if (concerns(event, watch.model)) yield message(Number(event.revision), event, false);
    }
  }
  let current = watch.afterRevision === 0;
  if (current) yield message(seen, undefined, true);
  const left = new AbortController();
  const until = AbortSignal.any([watch.signal, left.signal]);
  try {
    for (;;) {
      const wake = nextEntry(view, { seen, waitMs: watch.keepAliveMs ?? KEEP_ALIVE_MS, signal: until });
      if (seen < view.forgotten) checkRevision(view, seen);
      for (const change of changesAfter(view, seen)) {
        seen = change.revision;
        if (concerns(change.event, watch.model)) yield message(seen, change.event, current);
      }
      if (!current) {
        current = true;
        yield message(seen, undefined, true);
      }
      // A keep-alive says that the view is current, which nobody knows while the store is away.
      if ((await wake) === 'late' && store.connected) yield message(seen, undefined, true);
      watch.signal.throwIfAborted();
    }
  } finally {
    left.abort();
  }
}

function checkRevision(view: View, after: number): void {
  if (after === 0 || (after >= view.forgotten && after <= view.revision)) return;
  const why =
    after > view.revision ? `is not reached yet, the last one is ${view.revision}` : 'is no longer kept';
  const limit = after > view.revision ? view.revision : view.forgotten;
  const message = `revision ${after} ${why}: watch from 0`;
  throw new ZmeshError('REVISION_UNAVAILABLE', message, { field: 'after_revision', limit, value: after });
}

/** The present state as events, in the order of their revisions. Deleted aliases are not in it. */
function presentState(view: View): RegistryEvent[] {
  const events: RegistryEvent[] = [];
  for (const { record, revision, time } of view.models.values())
    events.push(changeOf(record, { revision, time }));
  for (const expert of view.experts.values()) {
    for (const { expert: version, revision, retired } of expert.versions.values()) {
      const value = expertPublished(version, retired !== undefined);
      events.push({
        revision: BigInt(revision),
        time: version.publishedAt,
        change: { $case: 'expertPublished', value },
      });
    }
    for (const [alias, { version, revision, time }] of expert.aliases) {
      const record = { kind: 'alias' as const, model: expert.model, expert: expert.name, alias, version };
      events.push(changeOf(record, { revision, time }));
    }
  }
  return events.sort((a, b) => (a.revision < b.revision ? -1 : 1));
}

function changesAfter(view: View, revision: number) {
  // The log is short behind a live watcher: search from its end.
  let start = view.log.length;
  while (start > 0 && view.log[start - 1]!.revision > revision) start -= 1;
  return view.log.slice(start);
}

function concerns(event: RegistryEvent, model: string): boolean {
  return model === '' || event.change?.value.model === model;
}

async function nextEntry(
  view: View,
  { seen, waitMs, signal }: { readonly seen: number; readonly waitMs: number; readonly signal: AbortSignal },
): Promise<'entry' | 'late'> {
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  signal.addEventListener('abort', abort, { once: true });
  const unsubscribe = view.subscribe(() => {
    if (view.revision > seen) stop.abort();
  });
  try {
    if (signal.aborted) return 'entry';
    await sleep(waitMs, stop.signal);
    return 'late';
  } catch {
    return 'entry';
  } finally {
    unsubscribe();
    signal.removeEventListener('abort', abort);
  }
}

function message(revision: number, event: RegistryEvent | undefined, current: boolean): WatchExpertsResponse {
  return WatchExpertsResponse.create({ revision: BigInt(revision), ...(event ? { event } : {}), current });
}
