import assert from 'node:assert/strict';
import type { SpectrumHandle, StepResult } from '../runtime/runtime.js';
import { checkFinite } from './finite.js';
import { pagesFor, type TaskContext } from './generation.js';
import { PageList } from './page-list.js';
import type { LogitsRows, ScoreMessage, ScoreResult } from './protocol.js';
import { groupContinuations, type ScoreGroup } from './score-groups.js';
import { buildLongRow, buildScoreRow, type ScoreRow } from './score-row.js';
import type { Row, Task } from './task.js';

/**
 * A request to score. The prompt is computed once, beginning where a kept prefix ends; the last piece of it and all
 * continuations go through the model as one row, the continuations as branches that do not see each other: short prompts
 * take one forward pass.
 * What does not fit into one row goes in several that begin with the prompt's last token; a continuation longer than a
 * row goes in pieces, over pages that the next one overwrites.
 */
export class Scoring implements Task {
  readonly id: number;
  readonly priority: ScoreMessage['priority'];
  readonly slots = 1;
  readonly pagesMax: number;
  readonly #request: ScoreMessage;
  readonly #spectrum: SpectrumHandle;
  readonly #rowTokens: number;
  readonly #context: TaskContext;
  readonly #pages: PageList;
  readonly #groups: readonly ScoreGroup[];
  readonly #tokenLogProbs: readonly Float32Array[];
  readonly #logits: LogitsRows | null;
  /** Prompt tokens that are stored. */
  #stored = 0;
  #cachedTokens: number | null = null;
  #group = 0;
  /** Fed tokens of the present long continuation that are stored. */
  #fed = 0;
  #row: ScoreRow | null = null;

  constructor(
    request: ScoreMessage,
    spectrum: SpectrumHandle,
    context: TaskContext,
    sizes: { readonly rowTokens: number; readonly vocabularySize: number },
  ) {
    const lengths = request.continuations.map(({ length }) => length);
    this.id = request.id;
    this.priority = request.priority;
    this.#request = request;
    this.#spectrum = spectrum;
    this.#rowTokens = sizes.rowTokens;
    this.#context = context;
    this.#groups = groupContinuations(lengths, sizes.rowTokens);
    const long = Math.max(0, ...this.#groups.filter((group) => this.#isLong(group)).map(({ fed }) => fed));
    this.pagesMax = pagesFor(request.prompt.length + long, context.pageTokens);
    this.#pages = new PageList(context.allocator, this.pagesMax);
    this.#tokenLogProbs = lengths.map((length) => new Float32Array(length));
    this.#logits = request.logits === 'none' ? null : emptyLogits(request, sizes.vocabularySize);
  }

  get cachedTokens(): number {
    return this.#cachedTokens ?? 0;
  }

  get prefilling(): boolean {
    return !this.done;
  }

  get done(): boolean {
    return this.#group === this.#groups.length;
  }

  /** Valid when done. */
  get result(): ScoreResult {
    assert(this.done, 'a score is read before it is complete');
    return { tokenLogProbs: this.#tokenLogProbs, logits: this.#logits };
  }

  get promptTokens(): number {
    this.#takeCached();
    const group = this.#groups[this.#group]!;
    const left = this.#request.prompt.length - this.#stored;
    if (!this.#isLong(group)) return left + group.fed;
    return left > 1 ? left - 1 : group.fed + 1 - this.#fed;
  }

  promptRow(budget: number): Row | null {
    const { prompt, continuations } = this.#request;
    this.#takeCached();
    const group = this.#groups[this.#group]!;
    const left = prompt.length - this.#stored;
    const long = this.#isLong(group);
    if (long && left === 1) {
      const member = group.members[0]!;
      const continuation = continuations[member]!;
      const begin = this.#fed;
      const end = Math.min(group.fed + 1, begin + budget);
      const logitsRow = this.#logitsRow(prompt.length - 1);
      return this.#plan(buildLongRow({ prompt, continuation, member, begin, end, logitsRow }), end - begin);
    }
    const whole = !long && left + group.fed <= budget;
    // The prompt's last token always leads the continuations: its logits score their first tokens.
    const trunkEnd = whole ? prompt.length : this.#stored + Math.min(budget, left - 1);
    if (trunkEnd === this.#stored) return null;
    const row = buildScoreRow({
      prompt,
      trunkBegin: this.#stored,
      trunkEnd,
      members: whole ? group.members : [],
      continuations,
      logitsAt: (position) => this.#logitsRow(position),
    });
    const trunk = trunkEnd - this.#stored;
    return this.#plan(row, whole ? this.#storedOfLastPiece(trunk) : trunk);
  }

  /** Prompt tokens of the piece with the prompt's end that are stored: for groups to come, else whole pages to keep. */
  #storedOfLastPiece(trunk: number): number {
    if (this.#group + 1 < this.#groups.length) return trunk - 1;
    return this.#context.prefixes.enabled
      ? Math.max(0, this.#keptPages * this.#context.pageTokens - this.#stored)
      : 0;
  }

  /** Whole pages before the prompt's last token. */
  get #keptPages(): number {
    return Math.floor((this.#request.prompt.length - 1) / this.#context.pageTokens);
  }

  /** Begins where a kept prefix ends, unless the logits of every prompt token are asked for. */
  #takeCached(): void {
    if (this.#cachedTokens !== null) return;
    const { prompt, mixture, logits } = this.#request;
    const pages = this.#context.prefixes.take(mixture, prompt, logits === 'prompt' ? 0 : this.#keptPages);
    for (const page of pages) this.#pages.addHeld(page);
    this.#stored = this.#cachedTokens = pages.length * this.#context.pageTokens;
  }

  decodeRows(): readonly Row[] {
    return [];
  }

  accept(row: Row, result: StepResult, at: number): void {
    const plan = this.#row!;
    plan.sinks.forEach((sink, i) => {
      const logSumExp = result.logSumExp[at + i]!;
      checkFinite(logSumExp);
      if (sink.kind === 'logits') this.#copyLogits(sink.row, result, at + i);
      else this.#tokenLogProbs[sink.continuation]![sink.index] = result.targetLogits![at + i]! - logSumExp;
    });
    this.#advance(row);
  }

  release(): void {
    this.#pages.release();
  }

  #isLong(group: ScoreGroup): boolean {
    return group.fed + 1 > this.#rowTokens;
  }

  #advance(row: Row): void {
    const { prompt } = this.#request;
    const group = this.#groups[this.#group]!;
    if (this.#isLong(group) && this.#stored === prompt.length - 1 && row.step.pastLength >= this.#stored) {
      this.#fed += row.step.tokens.length;
      if (this.#fed <= group.fed) return;
      this.#fed = 0;
      this.#group++;
      return;
    }
    const last = row.step.positions.at(-1)!;
    const complete = last >= prompt.length - 1;
    this.#stored = Math.min(prompt.length - 1, this.#stored + row.step.store);
    if (!complete) return;
    this.#group++;
    const pages = Math.min(this.#keptPages, Math.floor(this.#stored / this.#context.pageTokens));
    this.#context.prefixes.keep(this.#request.mixture, prompt, this.#pages.view, pages);
  }

  #plan(row: ScoreRow, store: number): Row {
    const past = this.#stored + this.#fed;
    this.#pages.grow(pagesFor(past + store, this.#context.pageTokens));
    this.#row = row;
    const logits = row.sinks.some(({ kind }) => kind === 'logits');
    return {
      task: this,
      answer: -1,
      step: {
        tokens: row.tokens,
        positions: row.positions,
        pages: this.#pages.view,
        pastLength: past,
        branches: row.branches,
        store,
        spectrum: this.#spectrum,
        wanted: row.wanted,
      },
      targets: row.sinks.some(({ kind }) => kind === 'token') ? row.targets : null,
      topK: logits ? this.#request.topK : 0,
      fullLogits: logits && this.#request.topK === 0,
    };
  }

  #logitsRow(position: number): number | null {
    // Later groups begin with the prompt's last token again.
    if (this.#group > 0 || this.#request.logits === 'none') return null;
    if (this.#request.logits === 'prompt') return position;
    return position === this.#request.prompt.length - 1 ? 0 : null;
  }

  #copyLogits(row: number, result: StepResult, at: number): void {
    const { columns, values, ids, logSumExp } = this.#logits!;
    const count = result.logSumExp.length;
    const source = ids ? result.topValues! : result.logits!;
    const stride = source.length / count;
    values.set(source.subarray(at * stride, at * stride + columns), row * columns);
    ids?.set(result.topIds!.subarray(at * stride, at * stride + columns), row * columns);
    logSumExp[row] = result.logSumExp[at]!;
  }
}

function emptyLogits(request: ScoreMessage, vocabularySize: number): LogitsRows {
  const rows = request.logits === 'prompt' ? request.prompt.length : 1;
  const columns = request.topK === 0 ? vocabularySize : request.topK;
  return {
    rows,
    columns,
    values: new Float32Array(rows * columns),
    ids: request.topK === 0 ? null : new Int32Array(rows * columns),
    logSumExp: new Float32Array(rows),
  };
}
