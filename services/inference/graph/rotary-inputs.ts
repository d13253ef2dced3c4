import type { ModelConfig } from '../model/prepared.js';
import type { GraphBuilder } from './builder.js';
import { cast, type RotaryInputs } from './ops.js';
import { rotaryTables } from './rotary-tables.js';

/** Adds the input `positions` int32 [batch, tokens] and the model's rotary tables. */
export function rotaryInputs(g: GraphBuilder, config: ModelConfig): RotaryInputs {
  const tables = rotaryTables(config);
  const shape = [config.contextLength, config.headSize / 2];
  return {
    positions: cast(g, g.input('positions', 'int32', ['batch', 'tokens']), 'int64'),
    cos: g.floats(tables.cos, shape),
    sin: g.floats(tables.sin, shape),
  };
}
