import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Served, serveCheckpoint } from './fixture.js';
import { feed, nextRow, sequenceMaker } from './sequence.js';

const FULL = { topK: 0, fullLogits: true, targets: null };

describe('KV pages of a runtime', () => {
  let served: Served;
  before(async () => {
    served = await serveCheckpoint('llama-tied-gqa');
  });
  after(() => served.close());

  it('go on in another sequence after a full page is shared and a part of one is copied', async () => {
    const { runtime, golden } = served;
    const spectrum = runtime.addSpectrum(await served.spectrum(null));
    const prompt = golden.prompts[2]!;
    const make = sequenceMaker(runtime);
    const first = make(prompt, spectrum);
    const second = make(prompt, spectrum);
    await feed(runtime, [first], [1000]);

    const pages = Int32Array.of(first.pages[0]!, ...second.pages.subarray(1));
    const kept = prompt.length - runtime.info.pageTokens;
    runtime.copyPage(first.pages[1]!, pages[1]!, kept);
    const fork = { ...second, pages, past: prompt.length, tokens: [...prompt, 60, 61] };
    const forked = await runtime.step([nextRow(fork, 2)], FULL);
    first.tokens.push(60, 61);
    const direct = await runtime.step([nextRow(first, 2)], FULL);
    assert.deepEqual(forked.logits, direct.logits);
  });

  it('hold nothing of a sequence that overflowed before, nor do its batch mates see it', async () => {
    const { runtime, golden } = served;
    const spectrum = runtime.addSpectrum(await served.spectrum(null));
    const broken = runtime.addSpectrum(new Float32Array(runtime.info.spectrumLength).fill(3e38));
    const prompt = golden.prompts[2]!;
    const clean = sequenceMaker(runtime)(prompt, spectrum);
    const expected = await runtime.step([nextRow(clean, 1000)], FULL);

    // Long enough to leave its keys beyond where the clean sequence will end in the same pages.
    const poison = sequenceMaker(runtime)(golden.prompts[3]!, broken);
    const poisoned = await runtime.step([nextRow(poison, 1000)], FULL);
    assert.ok(Number.isNaN(poisoned.logits![0]), 'the broken spectrum overflows');

    const make = sequenceMaker(runtime);
    const [reused, mate] = [make(prompt, spectrum), make(golden.prompts[3]!, broken)];
    await runtime.step([nextRow(reused, prompt.length - 1), nextRow(mate, 59)], FULL);
    reused.past = prompt.length - 1;
    mate.past = 59;
    const result = await runtime.step([nextRow(reused, 1), nextRow(mate, 1)], FULL);
    const width = runtime.info.vocabularySize;
    const wanted = expected.logits!.subarray((prompt.length - 1) * width);
    result.logits!.subarray(0, width).forEach((value, i) => {
      assert.ok(Math.abs(value - wanted[i]!) < 1e-4, `logit ${i}: ${value}, not ${wanted[i]}`);
    });
  });
});
