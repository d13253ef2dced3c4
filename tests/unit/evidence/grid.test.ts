import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { algorithmNamed } from '#services/trainer/algorithms/registry.js';
import { chooseRun } from '#services/trainer/presets.js';
import { readSettings } from '#services/trainer/settings.js';
import { chosenRate } from '../../evidence/experts.js';
import { expertsGrid, plannedRuns, sweepRuns } from '../../evidence/grid.js';

for (const size of ['quick', 'full'] as const) {
  describe(`the evidence's grid, ${size}`, () => {
    const grid = expertsGrid(size);

    it('gives SVF and LoRA the same number of sweep runs on one task', () => {
      for (const algorithm of ['reinforce', 'next-token']) {
        const of = (method: 'svf' | 'lora') =>
          sweepRuns(grid, method).filter(({ way }) => way.algorithm === algorithm).length;
        assert.equal(of('svf') > 0 && of('lora') > 0 ? of('lora') : of('svf'), of('svf'));
      }
      assert.equal(grid.sweep.svf.length, grid.sweep.lora.length);
      assert.ok(sweepRuns(grid, 'lora').length > 0);
    });

    it('asks for settings that the trainer takes, and at least 300 held-out questions', () => {
      for (const { algorithm, preset, settings, method } of grid.ways) {
        if (method === 'lora') readSettings(algorithmNamed(algorithm), settings);
        else chooseRun({ algorithm, preset, settings });
      }
      assert.ok(grid.questions >= 300);
    });

    it('names every row once and plans first seeds first', () => {
      const names = grid.ways.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length);
      for (const method of ['svf', 'lora'] as const) {
        const seeds = plannedRuns(grid, method).map(({ seed }) => seed);
        assert.deepEqual(seeds, [...seeds].sort());
      }
    });
  });
}

describe('the full grid', () => {
  it('has what the claim needs: three seeds of the final rows, places, KL, normalisation, ranks and both objectives', () => {
    const { ways } = expertsGrid('full');
    const threeSeeds = ways.filter(({ seeds }) => seeds.length === 3);
    const kinds = threeSeeds.map(({ method, algorithm }) => `${method} ${algorithm}`);
    assert.deepEqual(kinds, ['svf reinforce', 'lora reinforce', 'svf next-token', 'lora next-token']);
    const matrices = new Set(ways.map((way) => way.matrices));
    assert.deepEqual([...matrices].sort(), ['all', 'attention', 'mlp']);
    assert.ok(ways.some(({ settings }) => Number(settings['kl-coefficient'] ?? 0) > 0));
    assert.ok(ways.some(({ settings }) => settings.normalisation === 'none'));
    const loras = ways.filter(({ method }) => method === 'lora');
    assert.ok(new Set(loras.map(({ lora }) => lora.rank)).size >= 3);
    assert.deepEqual([...new Set(loras.map(({ lora }) => lora.targets))].sort(), ['mlp', 'q,v']);
  });
});

describe('chosenRate', () => {
  const grid = { sweep: { task: 'x', svf: [0.1, 0.2], lora: [1, 2] } };
  const svf = { method: 'svf', algorithm: 'reinforce' } as const;

  it('is the rate with the best validation, the smaller of equal ones', () => {
    const tried = (one: number, other: number) => [
      { ...svf, rate: 0.1, bestValidation: one },
      { ...svf, rate: 0.2, bestValidation: other },
      { method: 'lora' as const, algorithm: 'reinforce', rate: 1, bestValidation: 1 },
    ];
    assert.equal(chosenRate(tried(0.4, 0.5), svf, grid), 0.2);
    assert.equal(chosenRate(tried(0.5, 0.5), svf, grid), 0.1);
  });

  it('is not chosen before every rate was tried', () => {
    assert.equal(chosenRate([{ ...svf, rate: 0.1, bestValidation: 0.5 }], svf, grid), undefined);
  });
});
