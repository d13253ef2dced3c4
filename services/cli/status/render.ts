import { renderFacts, renderTable } from '../render/table.js';
import { formatBytes, formatCount, formatMs } from '../render/units.js';
import type { Figures, ModelFigures, ProcessFigures, Times } from './figures.js';

const NOTHING = '–';

/** The figures as tables. */
export function renderFigures(figures: Figures): string {
  const period = figures.windowS === null ? 'since the start' : `of the last ${figures.windowS.toFixed(0)} s`;
  return [
    `Rates and times are ${period}.\n`,
    renderProcesses(figures.processes),
    renderModelFigures(figures.models),
    renderTimes(figures),
    renderMesh(figures),
  ].join('\n');
}

function renderMesh(figures: Figures): string {
  const { processes, requests, replicas, experts, mixtures, registry, oldestViewS, jobs } = figures;
  const unknown = (service: string): string => `${NOTHING} (${whyUnknown(processes, service)})`;
  const seen = (): string => {
    if (oldestViewS === null) return '';
    return `; seen ${oldestViewS < 1 ? 'now' : `${formatMs(oldestViewS * 1000)} ago`}`;
  };
  return renderFacts([
    [
      'requests',
      requests
        ? `${requests.perS.toFixed(1)}/s, ${requests.count} with ${requests.failed} failed; ${requests.atWork} at work of ${requests.limit} at most`
        : unknown('dispatcher'),
    ],
    ['replicas', replicas ? `${replicas.up} of inference up, ${replicas.down} down` : unknown('dispatcher')],
    [
      'experts',
      experts && mixtures
        ? `${experts.resident} resident, ${formatBytes(experts.bytes)}, ${experts.fetched} fetched; ${mixtures.resident} mixtures, ${formatBytes(mixtures.bytes)}`
        : unknown('inference'),
    ],
    [
      'registry',
      registry
        ? `${registry.versions} versions, ${registry.aliases} aliases${seen()}`
        : unknown('expert-registry'),
    ],
    ['jobs', jobs ? `${jobs.queued} queued, ${jobs.running} running` : unknown('trainer')],
  ]);
}

/** Why nothing is known of a service: those of its name that did not answer, or nobody was asked for it. */
function whyUnknown(processes: readonly ProcessFigures[], service: string): string {
  const silent = processes.filter(({ fault }) => fault !== undefined);
  const own = silent.filter(({ name }) => name === service || name.startsWith(`${service}-`));
  const told = (own.length > 0 ? own : silent).map(({ name, fault }) => `${name}: ${fault}`);
  return told.length > 0 ? told.join(', ') : `no metrics of ${service} were asked for`;
}

/** The figures in one line, for a log. `time`: of day. */
export function figuresLine(figures: Figures, time: string): string {
  const { requests, firstPass, secondPass, experts, processes } = figures;
  const silent = processes.filter(({ fault }) => fault !== undefined).map(({ name }) => name);
  return [
    time,
    requests
      ? `requests ${requests.perS.toFixed(1)}/s failed ${requests.failed}`
      : `requests ${NOTHING} failed ${NOTHING}`,
    ...engineParts(figures),
    `experts ${experts?.resident ?? NOTHING}`,
    `pass 1 ${pair(firstPass)}`,
    `pass 2 ${pair(secondPass)}`,
    ...(silent.length > 0 ? [`no answer: ${silent.join(', ')}`] : []),
  ].join(' · ');
}

/** What the engines of all models do together. */
function engineParts({ models, answered }: Figures): readonly string[] {
  if (!answered.includes('inference'))
    return [`queue ${NOTHING} running ${NOTHING} rows ${NOTHING}`, `tokens ${NOTHING}`, `pages ${NOTHING}`];
  const total = (read: (model: ModelFigures) => number): number =>
    models.reduce((sum, model) => sum + read(model), 0);
  const rows = models.map((model) => model.rows).filter((one) => one !== null);
  return [
    `queue ${total(({ waiting }) => waiting.interactive)}+${total(({ waiting }) => waiting.batch)} running ${total(({ running }) => running)} rows ${rows.length === 0 ? NOTHING : Math.max(...rows).toFixed(1)}`,
    `tokens ${total(({ tokensPerS }) => tokensPerS).toFixed(0)}/s`,
    `pages ${total(({ pages }) => pages.running)} of ${total(({ pages }) => pages.running + pages.kept + pages.free)}`,
  ];
}

function renderProcesses(processes: readonly ProcessFigures[]): string {
  return renderTable(
    [
      { title: 'process' },
      { title: 'metrics' },
      { title: 'up', align: 'right' },
      { title: 'cores', align: 'right' },
      { title: 'memory', align: 'right' },
      { title: 'loop p99', align: 'right' },
    ],
    processes.map(({ name, http, fault, uptimeS, cpu, memoryBytes, loopMs }) =>
      fault === undefined
        ? [
            name,
            http,
            duration(uptimeS === null ? null : uptimeS * 1000),
            cpu === null ? NOTHING : cpu.toFixed(2),
            memoryBytes === null ? NOTHING : formatBytes(memoryBytes),
            duration(loopMs),
          ]
        : [name, http, fault],
    ),
  );
}

function renderModelFigures(models: readonly ModelFigures[]): string {
  return renderTable(
    [
      { title: 'model' },
      { title: 'waiting', align: 'right' },
      { title: 'running', align: 'right' },
      { title: 'rows', align: 'right' },
      { title: 'step p50', align: 'right' },
      { title: 'tokens/s', align: 'right' },
      { title: 'prompt/s', align: 'right' },
      { title: 'prefix', align: 'right' },
      { title: 'KV used, kept, free', align: 'right' },
    ],
    models.map(({ model, waiting, running, rows, pages, prefixShare, ...rates }) => [
      model,
      `${waiting.interactive} + ${waiting.batch}`,
      String(running),
      rows === null ? NOTHING : rows.toFixed(1),
      duration(rates.stepP50Ms),
      rates.tokensPerS.toFixed(1),
      rates.promptTokensPerS.toFixed(1),
      prefixShare === null ? NOTHING : `${(prefixShare * 100).toFixed(0)} %`,
      [pages.running, pages.kept, pages.free].map(formatCount).join(', '),
    ]),
  );
}

function renderTimes({ firstPass, secondPass, firstToken }: Figures): string {
  const row = (name: string, { count, p50Ms, p99Ms }: Times): readonly string[] => [
    name,
    count === null ? NOTHING : String(count),
    duration(p50Ms),
    duration(p99Ms),
  ];
  return renderTable(
    [
      { title: 'time' },
      { title: 'count', align: 'right' },
      { title: 'p50', align: 'right' },
      { title: 'p99', align: 'right' },
    ],
    [row('pass 1', firstPass), row('pass 2', secondPass), row('first token', firstToken)],
  );
}

const duration = (ms: number | null): string => (ms === null ? NOTHING : formatMs(ms));
const pair = ({ p50Ms, p99Ms }: Times): string => `${duration(p50Ms)} p99 ${duration(p99Ms)}`;
