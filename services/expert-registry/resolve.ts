import { ZmeshError } from '#shared/errors.js';
import { isVersion, isVersionPrefix, parseExpertName } from '#shared/svf/names.js';
import { newerOf, refuseNewer } from './newer.js';
import type { ExpertEntry, ModelEntry, VersionEntry, View } from './view.js';

/** A version that was found. */
export interface Found {
  readonly expert: ExpertEntry;
  readonly version: VersionEntry;
  /** True if an alias led to it. */
  readonly byAlias: boolean;
}

/** A registered model. Throws UNKNOWN_MODEL. */
export function findModel(view: View, name: string): ModelEntry {
  const model = view.models.get(name);
  if (!model)
    throw new ZmeshError('UNKNOWN_MODEL', `no model ${name} is registered`, { names: { model: name } });
  return model;
}

/** An expert with at least one version. Throws UNKNOWN_MODEL, UNKNOWN_EXPERT. */
export function findExpert(view: View, model: string, name: string): ExpertEntry {
  findModel(view, model);
  const expert = view.experts.get(`${model}/${name}`);
  if (!expert || expert.versions.size === 0) {
    throw new ZmeshError('UNKNOWN_EXPERT', `${model} has no expert or adaptation ${name}`, {
      names: { model, expert: name },
    });
  }
  return expert;
}

/** A version by its 64 hex digits or a unique beginning of at least 8. Throws INVALID_FIELD, UNKNOWN_VERSION. */
export function findVersion(expert: ExpertEntry, text: string, field: string): VersionEntry {
  const name = `${expert.model}/${expert.name}`;
  if (!isVersionPrefix(text)) {
    const message = `${field}: "${text.slice(0, 80)}" is not a version (64 hex digits, or the first 8 or more)`;
    throw new ZmeshError('INVALID_FIELD', message, { field, value: text.slice(0, 80) });
  }
  const exact = expert.versions.get(text);
  if (exact) return exact;
  const matches = isVersion(text)
    ? []
    : [...expert.versions.keys()].filter((version) => version.startsWith(text));
  if (matches.length > 1) {
    const message = `${field}: ${matches.length} versions of ${name} begin with ${text}; give more digits`;
    throw new ZmeshError('INVALID_FIELD', message, { field, value: text });
  }
  const only = matches[0];
  if (only === undefined) {
    const names = { model: expert.model, expert: expert.name, version: text };
    throw new ZmeshError('UNKNOWN_VERSION', `${name} has no version ${text}`, { names });
  }
  return expert.versions.get(only)!;
}

/** The version that `model/expert@version|alias` names. Throws INVALID_FIELD, the UNKNOWN_ reasons and what `refuseNewer` throws. */
export function resolve(view: View, text: string, field = 'name'): Found {
  const { model, expert: name, selector } = parseExpertName(text, field);
  if (model === undefined || selector === undefined) {
    const message = `${field}: "${text}" must be whole, model/expert@version or model/expert@alias`;
    throw new ZmeshError('INVALID_FIELD', message, { field, value: text });
  }
  // What a newer registry wrote last about this expert cannot be read here; what is known without it may be wrong by now.
  refuseNewer(view, newerOf(view, model, name));
  const expert = findExpert(view, model, name);
  if (isVersionPrefix(selector))
    return { expert, version: findVersion(expert, selector, field), byAlias: false };
  const alias = expert.aliases.get(selector);
  if (!alias) {
    const names = { model, expert: name, alias: selector };
    throw new ZmeshError('UNKNOWN_ALIAS', `${model}/${name} has no alias ${selector}`, { names });
  }
  return { expert, version: versionOfAlias(expert, alias.version), byAlias: true };
}

function versionOfAlias(expert: ExpertEntry, version: string): VersionEntry {
  const entry = expert.versions.get(version);
  if (!entry) {
    const message = `an alias of ${expert.model}/${expert.name} points to ${version}, which is not there`;
    throw new ZmeshError('CORRUPT', message, { names: { version } });
  }
  return entry;
}
