import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { parse } from 'yaml';
import { readRun } from '#deploy/local/run-file.js';
import { Sampling } from '#proto/zmesh/v1/common.js';
import {
  ClassifyRequest,
  DispatcherServiceService,
  GenerateRequest,
  type Receipt,
  Strategy,
} from '#proto/zmesh/v1/dispatcher.js';
import { RunSpec, TrainerServiceService } from '#proto/zmesh/v1/trainer.js';
import type { Figures } from '#services/cli/status/figures.js';
import type { ZmeshError } from '#shared/errors.js';
import { projectRoot } from '#shared/paths.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { lastFirst } from '../support/cleanup.js';
import { eventually, testHome } from '../support/mesh.js';
import { type ScrapedPage, scrapeMesh, sumOf } from '../support/metrics.js';
import { namesInQuery } from '../support/promql.js';

const cleanup = lastFirst({ after });
const home = await testHome(cleanup);
const TOKENS = 6;
const METHOD = 'zmesh.v1.DispatcherService';
/** Labels that Prometheus itself adds. */
const ADDED = ['job', 'instance', 'le', 'namespace', 'pod'];

const prompt = (text: string): GenerateRequest['prompt'] => ({
  input: { $case: 'chat', value: { messages: [{ role: 'user', content: text }] } },
});
const generation = (text: string, kind: Strategy['kind'], n = 1): GenerateRequest =>
  GenerateRequest.create({
    prompt: prompt(text),
    strategy: Strategy.create({ kind: kind as never }),
    n,
    sampling: Sampling.create({ temperature: 0, maxTokens: TOKENS, ignoreEos: true }),
  });
const NONE: Strategy['kind'] = { $case: 'none', value: {} };
const AUTO: Strategy['kind'] = { $case: 'auto', value: { firstPass: undefined } };
const expert = (name: string): Strategy['kind'] => ({ $case: 'expert', value: { expert: name } });

/** Answers of a step of the run. */
const TRAINED_ANSWERS = 8;

/** A run that goes on until it is cancelled. */
function trainingSpec(): RunSpec {
  const split = (name: string): Uint8Array =>
    Buffer.from(
      readFileSync(join(projectRoot, `models/octo-nano/tasks/arithmetic/${name}.jsonl`), 'utf8')
        .split('\n')
        .slice(0, 24)
        .join('\n'),
    );
  return RunSpec.create({
    model: 'octo-nano',
    expert: 'measured',
    task: { name: 'arithmetic', train: split('train'), validation: split('val') },
    settings: { steps: '1000', prompts: '4', samples: '2', 'kl-coefficient': '0.1', 'validation-items': '4' },
    gate: { others: [], skip: true },
  });
}

/** Every query of the dashboard and the rules, with the place where it stands. */
function queries(): readonly { readonly place: string; readonly query: string }[] {
  const { panels } = JSON.parse(readFileSync(join(projectRoot, 'deploy/grafana/zmesh.json'), 'utf8')) as {
    panels: { title: string; targets?: { expr: string }[] }[];
  };
  const { groups } = parse(readFileSync(join(projectRoot, 'deploy/prometheus/rules.yml'), 'utf8')) as {
    groups: { rules: { record?: string; alert?: string; expr: string }[] }[];
  };
  const adapter = parse(readFileSync(join(projectRoot, 'deploy/prometheus/adapter-rules.yml'), 'utf8')) as {
    rules: { custom: { seriesQuery: string; metricsQuery: string; name: { as: string } }[] };
  };
  return [
    ...adapter.rules.custom.flatMap(({ seriesQuery, metricsQuery, name }) => [
      { place: `series of ${name.as}`, query: seriesQuery },
      {
        place: `scaling by ${name.as}`,
        // What the adapter puts in before it asks.
        query: metricsQuery
          .replace('<<.Series>>', seriesQuery.replace(/\{.*/, ''))
          .replace('<<.LabelMatchers>>', 'namespace="zmesh"')
          .replace('<<.GroupBy>>', 'pod'),
      },
    ]),
    ...panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({
        place: `panel "${title}"`,
        // What Grafana puts in before it asks.
        query: expr.replaceAll('$__rate_interval', '1m').replaceAll('$model', '.*'),
      })),
    ),
    ...groups.flatMap(({ rules }) =>
      rules.map(({ record, alert, expr }) => ({ place: `rule ${record ?? alert}`, query: expr })),
    ),
  ];
}

describe('metrics of a mesh', { concurrency: false }, () => {
  let dispatcher: RpcClient<DispatcherServiceService>;
  let pages: readonly ScrapedPage[];
  /** With a request that failed in an engine. */
  let later: readonly ScrapedPage[];
  /** With a run at work. */
  let training: readonly ScrapedPage[];
  const receipts: Receipt[] = [];

  const generate = async (request: GenerateRequest): Promise<void> => {
    for await (const { event } of dispatcher.generate(request))
      if (event?.$case === 'receipt') receipts.push(event.value);
  };

  /** The pages once a run has done a step and was validated; the run is cancelled then. */
  const whileTraining = async (): Promise<readonly ScrapedPage[]> => {
    const address = readRun(home.path)!.processes.find(({ name }) => name === 'trainer')!.address!;
    const trainer = connect(TrainerServiceService, { address, unavailable: 'TRAINER_UNAVAILABLE' });
    cleanup.after(() => trainer.close());
    const { run } = await trainer.startRun({ requestId: '', spec: trainingSpec() });
    let found: readonly ScrapedPage[] = [];
    await eventually('a step is seen', async () => {
      found = await scrapeMesh(home.path);
      return sumOf(found, 'zmesh_training_steps_total') >= 1;
    });
    await trainer.cancelRun({ id: run!.id });
    return found;
  };

  before(async () => {
    const { code, err } = await home.zmesh('up', '--detach', '--replicas', 'inference=2');
    assert.equal(code, 0, err);
    const { out } = await home.zmesh('status', '--json');
    const { dispatcher: address } = JSON.parse(out) as { dispatcher: string };
    dispatcher = connect(DispatcherServiceService, { address, unavailable: 'INFERENCE_UNAVAILABLE' });
    cleanup.after(() => dispatcher.close());

    const sum = 'Mia has 112 cards and buys 330 more. How many cards now?';
    // The same prompt three times under one expert: it comes from the prefix cache of the replica that it went to before.
    for (let i = 0; i < 3; i++) await generate(generation(sum, expert('math@stable')));
    await generate(generation('Tom has 15 pens and loses 7. How many pens now?', NONE, 2));
    await generate(generation(sum, AUTO));
    const { receipt } = await dispatcher.complete({ request: generation(sum, AUTO) });
    receipts.push(receipt!);
    const classified = await dispatcher.classify(ClassifyRequest.create({ prompt: prompt(sum) }));
    receipts.push(classified.receipt!);
    const refused = (reason: string) => (error: ZmeshError) => error.reason === reason;
    await assert.rejects(generate(generation(sum, expert('nobody@stable'))), refused('UNKNOWN_EXPERT'));
    await assert.rejects(generate(generation(sum, NONE, 10_000)), refused('INVALID_FIELD'));
    pages = await scrapeMesh(home.path);

    // Last, since nobody knows how far it gets: a caller that leaves, of so much work that its engine hears of it in time.
    const long = generation(sum, AUTO, 64);
    long.sampling!.maxTokens = 100;
    for await (const { event } of dispatcher.generate(long)) if (event?.$case === 'delta') break;
    const left = { error_type: 'CANCELLED' };
    await eventually('the engine has noticed', async () => {
      later = await scrapeMesh(home.path);
      return sumOf(later, 'zmesh_engine_requests_total', left) === 1;
    });
    training = await whileTraining();
  });

  it('has a page for each replica of each service, in a format that Prometheus takes', async () => {
    assert.deepEqual(pages.map(({ process }) => process).sort(), [
      'dispatcher',
      'expert-registry',
      'inference',
      'inference-2',
      'trainer',
    ]);
    const { findPromtool, MISSING } = (await import(
      pathToFileURL(join(projectRoot, 'deploy/check/find-promtool.mjs')).href
    )) as { findPromtool(options: { fetch: boolean }): string | undefined; MISSING: string };
    const promtool = findPromtool({ fetch: process.env.CI === 'true' });
    if (!promtool) {
      assert.notEqual(process.env.CI, 'true', MISSING);
      process.stderr.write(`not checked by promtool: ${MISSING}\n`);
      return;
    }
    for (const { process: name, page } of pages) {
      const { stderr, stdout } = spawnSync(promtool, ['check', 'metrics'], { input: page, encoding: 'utf8' });
      assert.doesNotMatch(stderr + stdout, /error while linting|parsing error/i, name);
    }
  });

  it('exports every metric and every label that dashboard and rules name', () => {
    const exported = new Map<string, Set<string>>([['up', new Set()]]);
    for (const { name, labels } of [...later, ...training].flatMap(({ samples }) => samples)) {
      const known = exported.get(name) ?? new Set<string>();
      for (const label of Object.keys(labels)) known.add(label);
      exported.set(name, known);
    }
    const all = queries();
    assert.ok(all.length > 50, `${all.length} queries were found`);
    for (const { place, query } of all) {
      const { metrics, grouped } = namesInQuery(query);
      assert.notEqual(metrics.length, 0, `${place} names no metric`);
      for (const { metric, matched } of metrics) {
        const labels = exported.get(metric);
        assert.ok(labels, `${place}: nobody exports ${metric}`);
        for (const label of [...matched, ...grouped])
          assert.ok(labels.has(label) || ADDED.includes(label), `${place}: ${metric} has no label ${label}`);
      }
    }
  });

  it('shows the steps of a run while it is at work', () => {
    const of = { zmesh_algorithm: 'reinforce', gen_ai_request_model: 'octo-nano' };
    const steps = sumOf(training, 'zmesh_training_steps_total', of);
    assert.ok(steps >= 1);
    assert.equal(sumOf(training, 'zmesh_training_step_duration_count', of), steps);
    assert.ok(sumOf(training, 'zmesh_training_tokens_total', of) >= steps * TRAINED_ANSWERS);
    const reward = sumOf(training, 'zmesh_training_reward', of);
    assert.ok(Math.abs(reward) <= 1);
    assert.ok(sumOf(training, 'zmesh_training_kl', of) >= 0);
    assert.ok(sumOf(training, 'zmesh_training_gradient_norm', of) >= 0);
    const running = { zmesh_job_kind: 'run', zmesh_job_state: 'running' };
    assert.equal(sumOf(training, 'zmesh_trainer_jobs', running), 1);
  });

  it('counts as many requests as were sent, by method, code and strategy', () => {
    const of = (method: string, more: Record<string, string> = {}): number =>
      sumOf(pages, 'zmesh_requests_total', { rpc_method: `${METHOD}/${method}`, ...more });
    assert.equal(of('Generate', { rpc_status_code: 'OK' }), 5);
    assert.equal(of('Generate', { rpc_status_code: 'NOT_FOUND', zmesh_strategy: 'expert' }), 1);
    assert.equal(of('Generate', { zmesh_strategy: 'expert', rpc_status_code: 'OK' }), 3);
    assert.equal(of('Complete'), 1);
    assert.equal(of('Classify'), 1);
    assert.equal(sumOf(pages, 'zmesh_errors_total', { error_type: 'UNKNOWN_EXPERT' }), 1);
    // What could not even be read as a question is a call, but no request.
    const calls = { rpc_method: `${METHOD}/Generate`, rpc_status_code: 'INVALID_ARGUMENT' };
    assert.equal(sumOf(pages, 'rpc_server_call_duration_count', calls), 1);
    assert.equal(sumOf(pages, 'rpc_server_call_duration_count', { rpc_method: `${METHOD}/Generate` }), 7);
  });

  it('counts the tokens that the receipts tell, at the dispatcher and in the engines', () => {
    const usages = receipts.flatMap(({ usage, firstPassUsage }) =>
      [usage ?? [], firstPassUsage ?? []].flat(),
    );
    const total = (key: 'promptTokens' | 'completionTokens' | 'cachedPromptTokens'): number =>
      usages.reduce((sum, usage) => sum + usage[key], 0);
    assert.equal(total('completionTokens'), TOKENS * 7, 'seven answers');
    assert.equal(sumOf(pages, 'zmesh_tokens_total', { gen_ai_token_type: 'output' }), TOKENS * 7);
    assert.equal(sumOf(pages, 'zmesh_engine_output_tokens_total'), TOKENS * 7);
    assert.equal(sumOf(pages, 'zmesh_tokens_total', { gen_ai_token_type: 'input' }), total('promptTokens'));
    assert.equal(sumOf(pages, 'zmesh_engine_prompt_tokens_total'), total('promptTokens'));
    const cached = total('cachedPromptTokens');
    assert.ok(cached > 0);
    assert.equal(sumOf(pages, 'zmesh_engine_prompt_tokens_total', { zmesh_found: 'resident' }), cached);
  });

  it('has a time for each pass, each first token and each wait', () => {
    assert.equal(sumOf(pages, 'zmesh_pass_duration_count', { zmesh_pass: 'first' }), 3);
    assert.equal(sumOf(pages, 'zmesh_pass_duration_count', { zmesh_pass: 'second' }), 6);
    const totalMs = receipts.reduce(
      (sum, { firstPass, secondPass }) => sum + (firstPass?.totalMs ?? 0) + (secondPass?.totalMs ?? 0),
      0,
    );
    assert.ok(Math.abs(sumOf(pages, 'zmesh_pass_duration_sum') * 1000 - totalMs) < 1e-6 * totalMs);
    assert.equal(sumOf(pages, 'gen_ai_server_time_to_first_token_count'), 6);
    assert.equal(sumOf(pages, 'gen_ai_server_request_duration_count'), 7, 'with the one that failed');
    // Six generations and three scores went through the engines.
    assert.equal(sumOf(pages, 'zmesh_engine_queue_wait_count'), 9);
    assert.equal(sumOf(pages, 'zmesh_engine_requests_total', { zmesh_engine_request: 'score' }), 3);
  });

  it('counts each row of each step: the tokens that were computed went through one', () => {
    const rows = sumOf(pages, 'zmesh_engine_step_rows_sum', { zmesh_engine_step_kind: 'answer' });
    // The first token of an answer comes from its prompt's row, the last is never fed back.
    assert.equal(rows, (TOKENS - 1) * 7);
    assert.ok(sumOf(pages, 'zmesh_engine_step_rows_count', { zmesh_engine_step_kind: 'prompt' }) >= 9);
    const steps = sumOf(pages, 'zmesh_engine_step_rows_count');
    assert.equal(sumOf(pages, 'zmesh_engine_step_duration_count'), steps);
  });

  it('tells levels: nothing waits, pages are all there, both replicas and the registry are seen', () => {
    assert.equal(sumOf(pages, 'zmesh_engine_queue_depth'), 0);
    assert.equal(sumOf(pages, 'zmesh_engine_running'), 0);
    assert.equal(sumOf(pages, 'zmesh_engine_pages', { zmesh_engine_pages_state: 'running' }), 0);
    assert.ok(sumOf(pages, 'zmesh_engine_pages', { zmesh_engine_pages_state: 'kept' }) > 0);
    assert.equal(sumOf(pages, 'zmesh_replicas', { zmesh_replica_state: 'up' }), 2);
    assert.equal(sumOf(pages, 'zmesh_registry_age'), 0);
    assert.equal(sumOf(pages, 'zmesh_registry_versions', { zmesh_version_state: 'served' }), 4);
    assert.equal(sumOf(pages, 'zmesh_registry_models'), 1);
    assert.ok(sumOf(pages, 'zmesh_nats_connected') >= 3);
    assert.equal(sumOf(pages, 'zmesh_trainer_working'), 0);
    // math for the answers, the classification expert for pass 1.
    assert.ok(sumOf(pages, 'zmesh_experts_resident') >= 2);
    assert.ok(sumOf(pages, 'zmesh_experts_fetched_size_total') > 0);
    const spectra = sumOf(pages, 'zmesh_spectra_lookups_total', { zmesh_found: 'composed' });
    assert.equal(sumOf(pages, 'zmesh_spectra_resident'), spectra);
  });

  it('is what zmesh status shows, from outside the processes', async () => {
    const { out, code } = await home.zmesh('status', '--watch', '--count', '1', '--json');
    assert.equal(code, 0);
    const figures = JSON.parse(out) as Figures;
    assert.deepEqual(
      figures.processes.map(({ name, fault }) => [name, fault]),
      pages.map(({ process: name }) => [name, undefined]),
    );
    // With the one that left.
    assert.deepEqual([figures.requests?.count, figures.requests?.failed], [9, 2]);
    // Its pass 1 came to its end, its pass 2 did not.
    assert.deepEqual([figures.firstPass.count, figures.secondPass.count], [4, 6]);
    assert.deepEqual(figures.replicas, { up: 2, down: 0 });
    assert.deepEqual(figures.jobs, { queued: 0, running: 0 });
    assert.equal(figures.models[0]!.model, 'octo-nano');
    const text = (await home.zmesh('status')).out;
    assert.match(text, /^inference-2 +127\.0\.0\.1:\d+ /m);
    assert.match(text, /^pass 2 +6 +[\d.]+ m?s +[\d.]+ m?s$/m);
  });

  it('says of each process how it does', () => {
    for (const { process: name, samples } of pages) {
      const value = (metric: string): number => sumOf([{ process: name, page: '', samples }], metric);
      assert.ok(value('process_memory_usage') > 30e6, name);
      assert.ok(value('process_cpu_time_total') > 0.1, name);
      assert.ok(value('process_unix_file_descriptor_count') > 5 || process.platform !== 'linux', name);
      assert.ok(value('nodejs_eventloop_delay_max') < 30, name);
    }
  });
});
