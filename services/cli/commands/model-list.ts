import { ModelDescription } from '#proto/zmesh/v1/dispatcher.js';
import type { ServedModel } from '#proto/zmesh/v1/inference.js';
import { zmeshHome } from '#shared/paths.js';
import { NoMeshError } from '../addresses.js';
import { DISPATCHER_OPTION, withDispatcher } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { preparedModels } from '../prepared-models.js';
import { writeJson } from '../render/json.js';
import { renderTable } from '../render/table.js';
import { formatBytes, formatCount, shortHash } from '../render/units.js';

/** `zmesh model list`: prepared models here, and those the mesh serves. */
export const modelList = defineCommand({
  path: 'model list',
  summary: 'models that are prepared here, and those the mesh serves',
  options: { ...DISPATCHER_OPTION },
  examples: ['model list', 'model list --json'],
  async run({ values, io }) {
    const prepared = preparedModels(zmeshHome(io.env));
    const served = await servedModels(values.dispatcher, io);
    if (values.json) {
      writeJson(io.out, { prepared, served: served.map(ModelDescription.toJSON) });
      return EXIT.ok;
    }
    const resident = new Map(served.map(({ served: model }) => [model?.name, residentBytes(model)]));
    const preparedNames = new Set(prepared.map(({ name }) => name));
    const rows = [
      ...prepared.map((model) => [
        model.name,
        resident.has(model.name) ? 'prepared, served' : 'prepared',
        model.architecture,
        formatCount(model.parameters),
        String(model.contextLength),
        String(model.adapted),
        formatBytes(model.bytes),
        resident.get(model.name) ?? '',
        shortHash(model.fingerprint),
      ]),
      ...served.flatMap(({ served: model }) =>
        model && !preparedNames.has(model.name)
          ? [
              [
                model.name,
                'served',
                model.architecture,
                formatCount(Number(model.parameters)),
                String(model.contextLength),
                String(model.adaptedMatrices),
                '',
                residentBytes(model),
                shortHash(model.fingerprint),
              ],
            ]
          : [],
      ),
    ];
    if (rows.length === 0) io.err.write('no models: prepare one with "zmesh model import <folder>"\n');
    else io.out.write(renderTable(COLUMNS, rows));
    return EXIT.ok;
  },
});

const COLUMNS = [
  { title: 'model' },
  { title: 'state' },
  { title: 'architecture' },
  { title: 'parameters', align: 'right' },
  { title: 'context', align: 'right' },
  { title: 'adapted', align: 'right' },
  { title: 'on disk', align: 'right' },
  { title: 'resident', align: 'right' },
  { title: 'fingerprint' },
] as const;

/** Weights and keys and values that the mesh holds of a model. */
function residentBytes(model: ServedModel | undefined): string {
  return model ? formatBytes(Number(model.weightBytes + model.kvBytes)) : '';
}

/** None where no mesh runs: the list of what is on disk needs none. */
async function servedModels(given: string | undefined, io: Io): Promise<readonly ModelDescription[]> {
  try {
    return await withDispatcher(given, io, (client) => client.models({ signal: io.signal }));
  } catch (error) {
    if (error instanceof NoMeshError) return [];
    throw error;
  }
}
