import type { RegistryEvent } from '#proto/zmesh/v1/events.js';

/** All subjects of the expert registry's events. */
export const EXPERT_SUBJECTS = 'zmesh.experts.>';

/**
 * A name as one token of a subject or of a key: `.` separates tokens, so it is written `=`, which no name holds.
 * The names of models, experts and aliases are checked before they come here.
 */
export function toToken(name: string): string {
  return name.replaceAll('.', '=');
}

/** The name that a token stands for. */
export function fromToken(token: string): string {
  return token.replaceAll('=', '.');
}

/**
 * Subject of a registry event: `zmesh.experts.<what>.<model>[.<expert>]`, what = `model`, `published`, `alias` or `retired`.
 * `zmesh.experts.*.<model>.>` and `zmesh.experts.model.<model>` are all events of one model.
 */
export function expertSubject(event: RegistryEvent): string {
  const { change } = event;
  switch (change?.$case) {
    case 'modelPublished':
      return `zmesh.experts.model.${toToken(change.value.model)}`;
    case 'expertPublished':
      return ofExpert('published', change.value);
    case 'aliasMoved':
      return ofExpert('alias', change.value);
    case 'expertRetired':
      return ofExpert('retired', change.value);
    case undefined:
      throw new Error('a registry event without a change has no subject');
  }
}

function ofExpert(what: string, names: { readonly model: string; readonly expert: string }): string {
  return `zmesh.experts.${what}.${toToken(names.model)}.${toToken(names.expert)}`;
}
