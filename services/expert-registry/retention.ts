import type { ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { describe, type ExpertEntry, type VersionEntry, type View } from './view.js';

/** How long what nobody needs is kept. */
export interface Retention {
  /** Versions retired before this lose their blobs; undefined = none does. */
  readonly retiredBefore: Date | undefined;
  /** Blobs that no record names and that were written before this go; undefined = none does. */
  readonly orphansBefore: Date | undefined;
}

/** The blobs of a version: its vectors and how it came to be. */
export function blobsOf({ vectorsSha256, recordSha256 }: ExpertVersion): string[] {
  return [vectorsSha256, recordSha256].filter((sha256) => sha256 !== '');
}

/**
 * The blobs that must stay, by the records of this view: those of every model and of every version that is not retired, is
 * under an alias, or was retired lately. Beside them `known`: those that any record names.
 */
export function neededBlobs(
  view: View,
  { retiredBefore }: Retention,
): { readonly needed: ReadonlySet<string>; readonly known: ReadonlySet<string> } {
  const needed = new Set<string>();
  const known = new Set<string>();
  for (const { record } of view.models.values()) {
    needed.add(record.manifestSha256);
    known.add(record.manifestSha256);
  }
  for (const expert of view.experts.values())
    for (const version of expert.versions.values())
      for (const sha256 of blobsOf(version.expert)) {
        known.add(sha256);
        if (!isOver(expert, version, retiredBefore)) needed.add(sha256);
      }
  return { needed, known };
}

function isOver(expert: ExpertEntry, version: VersionEntry, before: Date | undefined): boolean {
  if (!before || !version.retired || version.retired.time >= before) return false;
  // No alias can point to a retired version; should a record say otherwise, its blob stays.
  return describe(expert, version).aliases.length === 0;
}

/** True if a retired version's vectors or record were removed. */
export function isRemoved(view: View, version: VersionEntry): boolean {
  return version.retired !== undefined && blobsOf(version.expert).some((sha256) => view.removals.has(sha256));
}
