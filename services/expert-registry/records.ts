import { AdaptedMatrix, ExpertSpec, ExpertVersion, ModelManifest } from '#proto/zmesh/v1/expert_registry.js';
import { fromToken, toToken } from '#shared/events/subjects.js';
import { checkSpecFormat } from '#shared/svf/version.js';

/** A model as the registry remembers it. */
export interface ModelRecord {
  readonly kind: 'model';
  /** Without σ. */
  readonly manifest: ModelManifest;
  /** Names of the matrices whose σ are known. */
  readonly decomposed: readonly string[];
  /** Blob with the encoded manifest, σ included: its SHA-256. */
  readonly manifestSha256: string;
}

/** An expert version as the registry remembers it; `retired` and `aliases` are empty, they are records of their own. */
export interface VersionRecord {
  readonly kind: 'version';
  readonly expert: ExpertVersion;
}

/** An alias; `version` undefined = deleted. */
export interface AliasRecord {
  readonly kind: 'alias';
  readonly model: string;
  readonly expert: string;
  readonly alias: string;
  readonly version: string | undefined;
}

/** The mark that a version is retired. */
export interface RetirementRecord {
  readonly kind: 'retired';
  readonly model: string;
  readonly expert: string;
  readonly version: string;
}

/**
 * The mark that an object of the blob store is being removed. It comes before the removal, so that whoever publishes the same
 * bytes afterwards knows not to lean on that object. No change that anybody is told of.
 */
export interface RemovalRecord {
  readonly kind: 'removed';
  /** Name of the blob. */
  readonly sha256: string;
  /** Id of the object; a blob that is stored anew has another. */
  readonly object: string;
}

/** What the registry stores, one KV entry each. */
export type StoredRecord = ModelRecord | VersionRecord | AliasRecord | RetirementRecord | RemovalRecord;

const FORMAT = 1;

/** A record that a newer registry wrote: it is sound, and cannot be read here. */
export class NewerFormat extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'NewerFormat';
  }
}

/**
 * Key of a record in the KV bucket: `model.<model>`, `version.<model>.<expert>.<version>`, `alias.<model>.<expert>.<alias>`
 * `retired.<model>.<expert>.<version>` or `removed.<SHA-256 of a blob>`. Names are written as tokens (`.` becomes `=`).
 */
export function keyOf(record: StoredRecord): string {
  switch (record.kind) {
    case 'model':
      return ['model', record.manifest.name].map(toToken).join('.');
    case 'version':
      return ['version', record.expert.spec!.model, record.expert.spec!.name, record.expert.version]
        .map(toToken)
        .join('.');
    case 'alias':
      return ['alias', record.model, record.expert, record.alias].map(toToken).join('.');
    case 'retired':
      return ['retired', record.model, record.expert, record.version].map(toToken).join('.');
    case 'removed':
      return ['removed', record.sha256].map(toToken).join('.');
  }
}

/** Value of a record: JSON that `nats kv get` shows to people. Undefined for a deleted alias. */
export function encodeRecord(record: StoredRecord): Uint8Array | undefined {
  const body = bodyOf(record);
  return body && Buffer.from(JSON.stringify({ format: FORMAT, ...body }), 'utf8');
}

function bodyOf(record: StoredRecord): Record<string, unknown> | undefined {
  switch (record.kind) {
    case 'model':
      return {
        manifest: ModelManifest.toJSON(record.manifest),
        decomposed: record.decomposed,
        manifestSha256: record.manifestSha256,
      };
    case 'version':
      return { expert: ExpertVersion.toJSON(record.expert) };
    case 'alias':
      return record.version === undefined ? undefined : { version: record.version };
    case 'retired':
      return {};
    case 'removed':
      return { object: record.object };
  }
}

/** A record from its key and value (undefined = deleted). Throws NewerFormat, or an Error that says what is wrong with it. */
export function decodeRecord(key: string, value: Uint8Array | undefined): StoredRecord {
  const [kind, model = '', expert = '', last = '', ...rest] = key.split('.').map(fromToken);
  const parts = [model, expert, last].filter((part) => part !== '').length;
  if (rest.length > 0 || parts !== (kind === 'model' || kind === 'removed' ? 1 : 3))
    throw new Error('not a key of the registry');
  if (value === undefined) {
    if (kind === 'alias') return { kind, model, expert, alias: last, version: undefined };
    throw new Error('it was deleted, which the registry never does');
  }
  const body = parse(value);
  switch (kind) {
    case 'model':
      return modelFrom(model, body);
    case 'version':
      return versionFrom({ model, expert, version: last }, body);
    case 'alias':
      return { kind, model, expert, alias: last, version: text(body, 'version') };
    case 'retired':
      return { kind, model, expert, version: last };
    case 'removed':
      return { kind, sha256: model, object: text(body, 'object') };
    default:
      throw new Error('not a key of the registry');
  }
}

function parse(value: Uint8Array): Record<string, unknown> {
  const body: unknown = JSON.parse(Buffer.from(value).toString('utf8'));
  if (typeof body !== 'object' || body === null || !('format' in body)) throw new Error('it has no format');
  const formats = `it has format ${String(body.format)}, this registry knows ${FORMAT}`;
  if (typeof body.format === 'number' && body.format > FORMAT) throw new NewerFormat(formats);
  if (body.format !== FORMAT) throw new Error(formats);
  return body as Record<string, unknown>;
}

function modelFrom(name: string, body: Record<string, unknown>): ModelRecord {
  const manifest = ModelManifest.fromJSON(body.manifest);
  if (manifest.name !== name) throw new Error(`it holds the model ${JSON.stringify(manifest.name)}`);
  const decomposed = body.decomposed;
  if (!Array.isArray(decomposed) || decomposed.some((item) => typeof item !== 'string')) {
    throw new Error('`decomposed` is not a list of names');
  }
  return {
    kind: 'model',
    manifest,
    decomposed: decomposed as string[],
    manifestSha256: text(body, 'manifestSha256'),
  };
}

function versionFrom(
  names: { readonly model: string; readonly expert: string; readonly version: string },
  body: Record<string, unknown>,
): VersionRecord {
  const expert = ExpertVersion.fromJSON(body.expert);
  const { spec, version } = expert;
  if (spec?.model !== names.model || spec.name !== names.expert || version !== names.version) {
    throw new Error(`it holds ${spec?.model}/${spec?.name}@${version}`);
  }
  refuseNewerSpec((body.expert as { readonly spec: unknown }).spec, expert);
  return { kind: 'version', expert };
}

/** A version is a hash over its spec: served without a field of it, it would be another one, and taken for damaged. */
function refuseNewerSpec(stored: unknown, { spec: known, ...expert }: ExpertVersion): void {
  try {
    checkSpecFormat({ spec: known, ...expert });
  } catch (error) {
    throw new NewerFormat((error as Error).message);
  }
  const field = unknownField(stored, ExpertSpec.toJSON(known!));
  if (field !== undefined)
    throw new NewerFormat(`its spec has the field ${field}, which this registry does not know`);
}

/** Path of a field that `stored` has and `known` has not; undefined if there is none. */
function unknownField(stored: unknown, known: unknown): string | undefined {
  if (typeof stored !== 'object' || stored === null) return undefined;
  for (const [name, value] of Object.entries(stored)) {
    const own = (known as Readonly<Record<string, unknown>> | undefined)?.[name];
    if (own === undefined) return name;
    const inside = unknownField(value, own);
    if (inside !== undefined) return `${name}.${inside}`;
  }
  return undefined;
}

function text(body: Record<string, unknown>, field: string): string {
  const value = body[field];
  if (typeof value !== 'string') throw new Error(`\`${field}\` is not a string`);
  return value;
}

/** A manifest without σ, as lists and the KV entry hold it. */
export function withoutSigma(manifest: ModelManifest): ModelManifest {
  return {
    ...manifest,
    matrices: manifest.matrices.map((matrix) =>
      AdaptedMatrix.create({ ...matrix, singularValues: new Uint8Array() }),
    ),
  };
}
