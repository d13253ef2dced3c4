import type { GradientPart } from '../runtime/gradient-runtime.js';
import { fillMask, type MaskRow } from '../runtime/mask.js';
import type { PlannedPart, PlannedRow } from './plan.js';
import type { GradientSequence, GradientTask } from './task.js';

/** A row's tokens; those from `trunk` on are answers' branches. */
interface RowTokens extends MaskRow {
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  readonly branches: Int32Array;
  readonly trunk: number;
}

/**
 * Turns a planned part into rectangles. The tokens of a part's answers are wanted in the order of its rows, of their members,
 * and of the answer.
 */
export function packPart(task: GradientTask, part: PlannedPart, slidingWindow: number | null): GradientPart {
  const { rows, tokensPerRow, wanted } = part;
  const length = task.spectra[0]!.length;
  const packed: GradientPart = {
    rows,
    tokensPerRow,
    wanted,
    tokens: new Int32Array(rows * tokensPerRow),
    positions: new Int32Array(rows * tokensPerRow),
    mask: new Float32Array(rows * tokensPerRow * tokensPerRow),
    spectra: new Float32Array(rows * length),
    positionsWanted: new Int32Array(wanted),
    targets: new Int32Array(wanted),
    logProbSeeds: new Float32Array(wanted),
    klSeeds: new Float32Array(wanted),
  };
  const filled = part.members.map((row) => rowTokens(row, task.sequences));
  let count = 0;
  part.members.forEach(({ members }, index) => {
    const { tokens, positions, trunk } = filled[index]!;
    const start = index * tokensPerRow;
    packed.tokens.set(tokens, start);
    packed.positions.set(positions, start);
    packed.spectra.set(task.spectra[task.sequences[members[0]!]!.spectrum]!, index * length);
    let at = start + trunk;
    for (const member of members) {
      const { answer, logProbSeed, klSeed } = task.sequences[member]!;
      for (const target of answer) {
        packed.positionsWanted[count] = at++;
        packed.targets[count] = target;
        packed.logProbSeeds[count] = logProbSeed;
        packed.klSeeds[count++] = klSeed;
      }
    }
  });
  fillMask(packed.mask, filled, { tokens: tokensPerRow, past: 0, slidingWindow });
  return packed;
}

/** Every branch begins with the prompt's last token, so that each wanted token is one of its own. */
function rowTokens(row: PlannedRow, sequences: readonly GradientSequence[]): RowTokens {
  const { prompt } = sequences[row.members[0]!]!;
  const trunk = prompt.length - 1;
  const tokens = new Int32Array(row.tokens);
  const positions = new Int32Array(row.tokens);
  const branches = new Int32Array(row.tokens).fill(-1);
  tokens.set(prompt.subarray(0, trunk));
  for (let i = 0; i < trunk; i++) positions[i] = i;
  let at = trunk;
  row.members.forEach((member, branch) => {
    const { answer } = sequences[member]!;
    for (let i = 0; i < answer.length; i++, at++) {
      tokens[at] = i === 0 ? prompt[trunk]! : answer[i - 1]!;
      positions[at] = trunk + i;
      branches[at] = branch;
    }
  });
  return { tokens, positions, branches, pastLength: 0, trunk };
}
