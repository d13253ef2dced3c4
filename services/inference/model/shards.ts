import { ZmeshError } from '#shared/errors.js';
import { quote } from '#shared/one-line.js';
import { type JsonFields, nested } from './json-fields.js';

/**
 * Names of the files that a `model.safetensors.index.json` spreads the weights over, sorted.
 * @throws ZmeshError INVALID_FIELD for a name that is not a plain file *.safetensors.
 */
export function shardsOf(index: JsonFields): string[] {
  const map = nested(index, 'weight_map', index.fields.weight_map);
  const shards = new Set<string>();
  for (const [weight, shard] of Object.entries(map.fields)) {
    if (typeof shard === 'string' && /^[\w.-]+\.safetensors$/.test(shard) && !shard.startsWith('.'))
      shards.add(shard);
    else {
      const message = `${map.file}: \`${quote(weight)}\` must name a plain file *.safetensors, it is ${quote(JSON.stringify(shard))}`;
      throw new ZmeshError('INVALID_FIELD', message, {
        field: 'weight_map',
        value: quote(shard),
      });
    }
  }
  return [...shards].sort();
}
