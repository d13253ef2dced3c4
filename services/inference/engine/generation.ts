import assert from 'node:assert/strict';
import { RandomStream } from '#shared/random.js';
import type { SpectrumHandle, StepResult } from '../runtime/runtime.js';
import { checkFinite } from './finite.js';
import type { Outbox } from './outbox.js';
import { PageList } from './page-list.js';
import type { PageAllocator } from './pages.js';
import type { PrefixCache } from './prefix-cache.js';
import type { GenerateMessage } from './protocol.js';
import { type Draw, draw, neededOutputs } from './sampling.js';
import type { Row, Task } from './task.js';

/** What tasks share: the pages, the runtime's way to copy one, and where events go. */
export interface TaskContext {
  readonly allocator: PageAllocator;
  readonly prefixes: PrefixCache;
  readonly pageTokens: number;
  copyPage(from: number, to: number, tokens: number): void;
  readonly outbox: Outbox;
}

/** One answer while it runs. */
interface Answer {
  readonly index: number;
  readonly pages: PageList;
  /** Positions whose keys and values are stored: all tokens but the last one. */
  stored: number;
  /** The prompt and what was produced after it; its first `length` are valid. */
  readonly tokens: Int32Array;
  length: number;
  readonly random: RandomStream;
  /** Ids for the repetition penalty; empty while it is off. */
  readonly seen: Set<number>;
}

/** Pages for `positions` positions. */
export const pagesFor = (positions: number, pageTokens: number): number => Math.ceil(positions / pageTokens);

/**
 * A request to generate: the prompt is computed once, in chunks; then each of the `n` answers goes on by itself. Answers
 * share the prompt's full pages and get a copy of its partly filled last one. The last token of an answer is never stored.
 */
export class Generation implements Task {
  readonly id: number;
  readonly priority: GenerateMessage['priority'];
  readonly #request: GenerateMessage;
  readonly #context: TaskContext;
  readonly #spectrum: SpectrumHandle;
  readonly #needs: { readonly topK: number; readonly fullLogits: boolean };
  /** Pages of the prompt that its answers share. */
  readonly #sharedPages: number;
  /** Pages of a whole answer, shared ones included. */
  readonly #answerPages: number;
  readonly #promptPages: PageList;
  #prefilled = 0;
  #cachedTokens: number | null = null;
  #answers: Answer[] | null = null;

  constructor(request: GenerateMessage, spectrum: SpectrumHandle, context: TaskContext) {
    const { pageTokens } = context;
    const positions = request.prompt.length + request.maxTokens - 1;
    this.id = request.id;
    this.priority = request.priority;
    this.#sharedPages = Math.floor(request.prompt.length / pageTokens);
    this.#answerPages = pagesFor(positions, pageTokens);
    this.#request = request;
    this.#context = context;
    this.#spectrum = spectrum;
    this.#needs = neededOutputs(request.sampling);
    this.#promptPages = new PageList(context.allocator, this.#answerPages);
  }

  get slots(): number {
    return this.#answers?.length ?? this.#request.n;
  }

  get pagesMax(): number {
    return this.#sharedPages + this.slots * (this.#answerPages - this.#sharedPages);
  }

  get cachedTokens(): number {
    return this.#cachedTokens ?? 0;
  }

  get prefilling(): boolean {
    return this.#answers === null;
  }

  get done(): boolean {
    return this.#answers?.length === 0;
  }

  get promptTokens(): number {
    this.#takeCached();
    return this.#request.prompt.length - this.#prefilled;
  }

  promptRow(budget: number): Row {
    const { prompt } = this.#request;
    this.#takeCached();
    const begin = this.#prefilled;
    const end = Math.min(prompt.length, begin + budget);
    assert(begin < end, 'a prompt row without tokens');
    this.#promptPages.grow(pagesFor(end, this.#context.pageTokens));
    const last = end === prompt.length;
    const wanted = last ? Int32Array.of(end - begin - 1) : new Int32Array(0);
    return this.#row(-1, prompt.subarray(begin, end), begin, this.#promptPages, wanted);
  }

  /** Begins where a kept prefix ends; at least the last token is computed, for its logits. */
  #takeCached(): void {
    if (this.#cachedTokens !== null) return;
    const { prompt, mixture } = this.#request;
    const { prefixes, pageTokens } = this.#context;
    const pages = prefixes.take(mixture, prompt, Math.floor((prompt.length - 1) / pageTokens));
    for (const page of pages) this.#promptPages.addHeld(page);
    this.#prefilled = this.#cachedTokens = pages.length * pageTokens;
  }

  decodeRows(): readonly Row[] {
    return this.#answers!.map((answer) => {
      assert(
        answer.stored < this.#request.prompt.length + this.#request.maxTokens - 1,
        'an answer outgrew its reservation',
      );
      answer.pages.grow(pagesFor(answer.stored + 1, this.#context.pageTokens));
      return this.#row(
        answer.index,
        answer.tokens.subarray(answer.length - 1, answer.length),
        answer.stored,
        answer.pages,
        Int32Array.of(0),
      );
    });
  }

  accept(row: Row, result: StepResult, at: number): void {
    const tokens = row.step.tokens.length;
    if (row.step.wanted.length > 0) checkFinite(result.logSumExp[at]!);
    if (row.answer < 0) {
      this.#prefilled += tokens;
      if (this.#prefilled === this.#request.prompt.length) this.#begin(result, at);
      return;
    }
    const answer = this.#answers!.find(({ index }) => index === row.answer);
    assert(answer, `answer ${row.answer} has ended`);
    answer.stored += tokens;
    this.#take(answer, draw(this.#request.sampling, result, at, answer.random, answer.seen));
  }

  /** Ends one answer from outside (its stop string appeared). Does nothing if it has ended. */
  stopAnswer(index: number): void {
    const answer = this.#answers?.find((candidate) => candidate.index === index);
    if (answer) this.#end(answer, 'stopped');
  }

  release(): void {
    if (!this.#answers) this.#promptPages.release();
    for (const answer of this.#answers ?? []) answer.pages.release();
    this.#answers = [];
  }

  #row(answer: number, tokens: Int32Array, past: number, pages: PageList, wanted: Int32Array): Row {
    return {
      task: this,
      answer,
      step: {
        tokens,
        positions: Int32Array.from(tokens, (_, i) => past + i),
        pages: pages.view,
        pastLength: past,
        branches: null,
        store: tokens.length,
        spectrum: this.#spectrum,
        wanted,
      },
      targets: null,
      topK: this.#needs.topK,
      fullLogits: this.#needs.fullLogits,
    };
  }

  /** The prompt is complete: every answer draws its first token from the same logits. */
  #begin(result: StepResult, at: number): void {
    const { n, sampling, prompt } = this.#request;
    this.#keep(prompt, this.#promptPages, prompt.length);
    this.#answers = Array.from({ length: n }, (_, index) => ({
      index,
      // The first answer goes on in the prompt's own pages.
      pages: index === 0 ? this.#promptPages : this.#fork(),
      stored: prompt.length,
      tokens: this.#tokensOf(prompt),
      length: prompt.length,
      random: new RandomStream(sampling.seed, index),
      seen: new Set(sampling.repetitionPenalty === 1 ? [] : prompt),
    }));
    for (const answer of [...this.#answers])
      this.#take(answer, draw(sampling, result, at, answer.random, answer.seen));
  }

  #fork(): PageList {
    const { allocator, pageTokens } = this.#context;
    const pages = new PageList(allocator, this.#answerPages);
    const full = this.#sharedPages;
    const rest = this.#request.prompt.length % pageTokens;
    for (let i = 0; i < full; i++) pages.addShared(this.#promptPages.page(i));
    if (rest === 0) return pages;
    pages.grow(full + 1);
    this.#context.copyPage(this.#promptPages.page(full), pages.page(full), rest);
    return pages;
  }

  #take(answer: Answer, drawn: Draw): void {
    const { sampling, endIds, maxTokens, prompt } = this.#request;
    answer.tokens[answer.length++] = drawn.token;
    if (sampling.repetitionPenalty !== 1) answer.seen.add(drawn.token);
    this.#context.outbox.token({
      id: this.id,
      answer: answer.index,
      token: drawn.token,
      ...(sampling.logProbs ? { logProb: drawn.logProb } : {}),
      ...(sampling.topLogProbs > 0 ? { top: drawn.top } : {}),
    });
    if (endIds.includes(drawn.token)) this.#end(answer, 'end');
    else if (answer.length === prompt.length + maxTokens) this.#end(answer, 'length');
  }

  #tokensOf(prompt: Int32Array): Int32Array {
    const tokens = new Int32Array(prompt.length + this.#request.maxTokens);
    tokens.set(prompt);
    return tokens;
  }

  /** Leaves the whole pages of a sequence to later requests. */
  #keep(tokens: Int32Array, pages: PageList, stored: number): void {
    const { prefixes, pageTokens } = this.#context;
    prefixes.keep(this.#request.mixture, tokens, pages.view, Math.floor(stored / pageTokens));
  }

  #end(answer: Answer, reason: 'end' | 'length' | 'stopped'): void {
    this.#keep(answer.tokens, answer.pages, answer.stored);
    answer.pages.release();
    this.#answers = this.#answers!.filter((other) => other !== answer);
    this.#context.outbox.answerEnd({ id: this.id, answer: answer.index, reason });
  }
}
