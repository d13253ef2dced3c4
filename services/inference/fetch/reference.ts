import { ZmeshError } from '#shared/errors.js';

/** A repository on the Hugging Face hub at a revision. */
export interface HubReference {
  /** `owner/repo`. */
  readonly repository: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

const REPOSITORY = /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/;
const REVISION = /^[A-Za-z0-9][\w./-]{0,127}$/;
const FILE = /^([A-Za-z0-9_][\w.+-]*\/)*[A-Za-z0-9_][\w.+-]*\.gguf$/i;

/**
 * Reads `owner/repo` or `owner/repo@revision`; without a revision it is `main`.
 * @throws ZmeshError INVALID_FIELD.
 */
export function parseHubReference(text: string): HubReference {
  const at = text.indexOf('@');
  const repository = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? 'main' : text.slice(at + 1);
  if (!REPOSITORY.test(repository) || repository.includes('..'))
    throw invalid('model', `${JSON.stringify(repository)} is not a repository of the form owner/repo`, text);
  if (!REVISION.test(revision) || revision.includes('..'))
    throw invalid('revision', `${JSON.stringify(revision)} is not a branch, tag or commit`, text);
  return { repository, revision };
}

/** Checks the path of a GGUF file in a repository. @throws ZmeshError INVALID_FIELD. */
export function checkHubFile(path: string): string {
  if (FILE.test(path)) return path;
  throw invalid(
    'file',
    `--file must be the path of a .gguf file in the repository, it is ${JSON.stringify(path)}`,
    path,
  );
}

function invalid(field: string, message: string, value: string): ZmeshError {
  return new ZmeshError('INVALID_FIELD', message, { field, value });
}
