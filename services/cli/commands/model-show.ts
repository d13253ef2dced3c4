import { ModelDescription } from '#proto/zmesh/v1/dispatcher.js';
import { ZmeshError } from '#shared/errors.js';
import { DISPATCHER_OPTION, withDispatcher } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { renderModel } from '../models-table.js';
import { writeJson } from '../render/json.js';

/** `zmesh model show`: one served model in full. */
export const modelShow = defineCommand({
  path: 'model show',
  summary: 'one served model in full, with its labels and their experts',
  usage: '<name>',
  positionals: { min: 1, max: 1 },
  options: { ...DISPATCHER_OPTION },
  examples: ['model show octo-nano', 'model show octo-nano --json'],
  async run({ values, positionals, io }) {
    const [name = ''] = positionals;
    return withDispatcher(values.dispatcher, io, async (client) => {
      const models = await client.models({ signal: io.signal });
      const model = models.find(({ served }) => served?.name === name);
      if (!model)
        throw new ZmeshError(
          'UNKNOWN_MODEL',
          `the mesh does not serve "${name}"; it serves ${models.map(({ served }) => served?.name).join(', ') || 'none'}`,
        );
      if (values.json) writeJson(io.out, ModelDescription.toJSON(model));
      else io.out.write(renderModel(model));
      return EXIT.ok;
    });
  },
});
