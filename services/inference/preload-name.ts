import type { ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { isVersionPrefix, parseExpertName } from '#shared/svf/names.js';

/** Which experts stay loaded. */
export interface PreloadName {
  /** Undefined = every served model. */
  readonly model: string | undefined;
  /** `*` = every expert. */
  readonly expert: string;
  /** An alias, or 8 to 64 hex digits of a version. */
  readonly selector: string;
}

const EVERY = '*';

/** Parses `[model/]expert@alias`, `[model/]expert@version`, `[model/]*@alias`. Throws INVALID_FIELD with `field`. */
export function preloadName(text: string, field: string): PreloadName {
  const every = /^((?:[^/@]*\/)?)\*(@.*)$/.exec(text);
  // A stand-in name lets the rest be checked as that of any expert.
  const { model, expert, selector } = parseExpertName(every ? `${every[1]}x${every[2]}` : text, field);
  if (selector === undefined)
    throw new ZmeshError('INVALID_FIELD', `${field}: "${text}" needs an alias or a version after @`, {
      field,
      value: text,
    });
  return { model, expert: every ? EVERY : expert, selector };
}

/** True if the name means this expert of this model under this alias or version. */
export function means(
  name: PreloadName,
  { model, expert, selector }: { readonly model: string; readonly expert: string; readonly selector: string },
): boolean {
  if (name.model !== undefined && name.model !== model) return false;
  if (name.expert !== EVERY && name.expert !== expert) return false;
  return isVersionPrefix(name.selector) ? selector.startsWith(name.selector) : selector === name.selector;
}

/** The aliases (or the version itself) by which the names mean a version; empty = they do not. */
export function meantBy(names: readonly PreloadName[], { spec, version, aliases }: ExpertVersion): string[] {
  if (!spec) return [];
  return [...aliases, version].filter((selector) =>
    names.some((name) => means(name, { model: spec.model, expert: spec.name, selector })),
  );
}
