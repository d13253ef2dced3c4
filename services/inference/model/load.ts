import { readFile } from 'node:fs/promises';
import { ZmeshError } from '#shared/errors.js';
import { canonicalLinears } from './canonical.js';
import { readSigma } from './factor-file.js';
import { basisIdOf } from './fingerprint.js';
import { type LinearShape, type ModelConfig, PREPARED_FORMAT, type PreparedModel } from './prepared.js';
import { factorFile, modelFile } from './prepared-files.js';

/**
 * Reads a prepared folder's model.json and checks it.
 * @throws ZmeshError UNKNOWN_MODEL if the folder holds no finished model, CORRUPT if model.json is damaged or of an older
 * format, FORMAT_NEWER if a newer version wrote it.
 */
export async function loadPrepared(folder: string): Promise<PreparedModel> {
  const path = modelFile(folder);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const message = `${folder} holds no prepared model (model.json is missing): import it with \`zmesh model import\`, which also finishes an interrupted import`;
    throw new ZmeshError('UNKNOWN_MODEL', message, { names: { folder }, cause: error });
  }
  const model = parse(path, text);
  if (typeof model.format === 'number' && model.format > PREPARED_FORMAT) {
    const message = `${path} has format ${model.format}, this version reads ${PREPARED_FORMAT}; a newer version prepared the model: upgrade, or import it under another name`;
    const details = { names: { folder }, limit: PREPARED_FORMAT, value: model.format };
    throw new ZmeshError('FORMAT_NEWER', message, details);
  }
  const fault = findFault(model);
  if (fault === null) return model;
  throw new ZmeshError('CORRUPT', `${path}: ${fault}; import the model again`, { names: { folder } });
}

/**
 * Reads the singular values of every adapted matrix, falling, by weight name in model order.
 * @throws ZmeshError CORRUPT if a factor file is missing or not as the model says.
 */
export async function loadSigma(
  folder: string,
  model: PreparedModel,
): Promise<ReadonlyMap<string, Float64Array>> {
  const spectra = new Map<string, Float64Array>();
  for (const linear of model.adapted) spectra.set(linear.name, await loadOne(folder, linear));
  return spectra;
}

async function loadOne(folder: string, { name, rows, columns }: LinearShape): Promise<Float64Array> {
  const path = factorFile(folder, name);
  const corrupt = (fault: string, cause?: unknown): ZmeshError =>
    new ZmeshError('CORRUPT', `${path}: ${fault}; import the model again`, {
      names: { weight: name },
      cause,
    });
  const sigma = await readSigma(path).catch((error: Error) => {
    throw corrupt(error.message, error);
  });
  const rank = Math.min(rows, columns);
  if (sigma.length !== rank) throw corrupt(`it has ${sigma.length} singular values, ${rank} are expected`);
  return sigma;
}

function parse(path: string, text: string): PreparedModel {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as PreparedModel;
  } catch (error) {
    throw new ZmeshError('CORRUPT', `${path} is not JSON; import the model again`, { cause: error });
  }
  throw new ZmeshError('CORRUPT', `${path} is not an object; import the model again`);
}

/** What is wrong with a model.json; it is our own file, so its parts are checked against each other. */
function findFault(model: PreparedModel): string | null {
  if (model.format !== PREPARED_FORMAT)
    return `format ${model.format}, this version reads format ${PREPARED_FORMAT}`;
  if (!isConfig(model.config)) return 'config is incomplete';
  if (!/^[0-9a-f]{64}$/.test(model.fingerprint)) return 'fingerprint is not 64 hex digits';
  if (model.basisId !== basisIdOf(model.fingerprint)) {
    return `basis ${model.basisId}, this version decomposes as ${basisIdOf(model.fingerprint)}`;
  }
  const linears = canonicalLinears(model.config);
  if (JSON.stringify(model.linears) !== JSON.stringify(linears)) return 'linears do not follow from config';
  const known = new Set(linears.map((linear) => JSON.stringify(linear)));
  if (!Array.isArray(model.adapted) || !model.adapted.every((linear) => known.has(JSON.stringify(linear)))) {
    return 'adapted names matrices that the model does not have';
  }
  return Array.isArray(model.eosTokenIds) ? null : 'eosTokenIds is missing';
}

const CONFIG_NUMBERS = [
  'vocabularySize',
  'hiddenSize',
  'feedForwardSize',
  'layers',
  'heads',
  'keyValueHeads',
  'headSize',
  'contextLength',
  'normEpsilon',
  'ropeTheta',
] as const satisfies readonly (keyof ModelConfig)[];

function isConfig(config: ModelConfig): boolean {
  return (
    typeof config === 'object' && config !== null && CONFIG_NUMBERS.every((name) => Number(config[name]) > 0)
  );
}
