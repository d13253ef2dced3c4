import { openHandleKinds } from '../support/open-handles.js';
import { residentBytes, residentParts } from '../support/resident-bytes.js';
import type { Report } from './report.js';
import { floors, type Sample, type Slope, slopePerHour } from './slope.js';
import { threadsOf } from './soak-notes.js';

/** How often a process is looked at, milliseconds. */
export const SAMPLE_MS = 5000;
/** Growth of a process' memory that is a fault, MB an hour. */
const GROWTH_MB_MAX = 20;
/** Handles that a process may gain. */
const HANDLES_MAX = 10;
/** Samples whose lowest counts as one: half a minute. */
const STRETCH = 6;
/** Part of the time after which a process counts as warm. */
const WARM = 0.5;
const MB = 1e6;

/** Where memory is looked for: all of it, then its parts. */
export type Part = 'all' | 'files' | 'heaps' | 'held' | 'buffers' | 'native';
const PART_NAMES: Readonly<Record<Exclude<Part, 'all'>, string>> = {
  heaps: "JavaScript's heaps",
  held: 'in use of them',
  native: 'outside of them',
  buffers: 'array buffers (resident or not)',
  files: 'of files',
};

/** Memory and handles of the processes of a mesh over time. */
export interface MemorySeries {
  /** Looks at processes by name, `hours` after the start. */
  sample(processes: ReadonlyMap<string, number>, hours: number): void;
  /** One line of how they are now. */
  now(): string;
  /** Tells of each process how it grew since it was warm, and what of it; faults for those that did. `hours` is the whole time. */
  judge(hours: number, report: Report): void;
}

/** How a process is at a moment: bytes of each part of its memory that can be told, and its handles by kind. */
export interface Look {
  readonly bytes: ReadonlyMap<Part, number>;
  readonly handles: ReadonlyMap<string, number>;
}

interface Series {
  readonly parts: Map<Part, Sample[]>;
  readonly handles: { readonly hours: number; readonly kinds: ReadonlyMap<string, number> }[];
}

/** Nothing sampled yet; `look` says how a process is now (`lookAt`). */
export function createMemorySeries(look: (pid: number) => Look): MemorySeries {
  const all = new Map<string, Series>();
  return {
    sample(processes, hours) {
      for (const [name, pid] of processes) {
        if (!all.has(name)) all.set(name, { parts: new Map(), handles: [] });
        const { parts, handles } = all.get(name)!;
        const { bytes, handles: kinds } = look(pid);
        for (const [part, value] of bytes) {
          if (!parts.has(part)) parts.set(part, []);
          parts.get(part)!.push({ hours, value: value / MB });
        }
        handles.push({ hours, kinds });
      }
    },
    now: () =>
      [...all]
        .map(([name, { parts, handles }]) => {
          const last = parts.get('all')!.at(-1)!.value;
          return `${name} ${last.toFixed(0)} MB ${sum(handles.at(-1)!.kinds)} handles`;
        })
        .join(', '),
    judge(hours, report) {
      for (const [name, series] of all) judgeOne({ name, series, warmHours: WARM * hours, report });
    },
  };
}

/** Looks at processes whose notes, where they make them, are in `folder`. Throws if one is gone. */
export function lookAt(folder: string): (pid: number) => Look {
  return (pid) => ({ bytes: partsOf(folder, pid), handles: openHandleKinds(pid) });
}

function partsOf(folder: string, pid: number): ReadonlyMap<Part, number> {
  if (process.platform !== 'linux') return new Map([['all', residentBytes(pid)]]);
  const { all, anonymous, files } = residentParts(pid);
  const parts = new Map<Part, number>([
    ['all', all],
    ['files', files],
  ]);
  const threads = threadsOf(folder, pid);
  if (threads.length === 0) return parts.set('native', anonymous);
  const total = (of: 'heapTotal' | 'heapUsed' | 'arrayBuffers'): number =>
    threads.reduce((bytes, thread) => bytes + thread[of], 0);
  return parts
    .set('heaps', total('heapTotal'))
    .set('held', total('heapUsed'))
    .set('buffers', total('arrayBuffers'))
    .set('native', anonymous - total('heapTotal'));
}

interface Judged {
  readonly name: string;
  readonly series: Series;
  readonly warmHours: number;
  readonly report: Report;
}

function judgeOne({ name, series: { parts, handles }, warmHours, report }: Judged): void {
  const isWarm = ({ hours }: { readonly hours: number }): boolean => hours >= warmHours;
  const growth = (part: Part) => {
    const warm = parts.get(part)?.filter(isWarm) ?? [];
    return { warm, slope: slopePerHour(floors(warm, STRETCH)) };
  };
  const { warm, slope } = growth('all');
  if (slope === undefined) {
    const needed = `${2 * STRETCH} samples, ${SAMPLE_MS / 1000} s each, after the first ${WARM} of the time`;
    report.fault(`${name}: too short to tell whether it grows: ${warm.length} of ${needed}`);
    return;
  }
  report.say(`${name}: ${from(warm)} MB, ${told(slope)} MB an hour`);
  for (const [part, words] of Object.entries(PART_NAMES) as [Exclude<Part, 'all'>, string][]) {
    const { warm: values, slope: own } = growth(part);
    if (own) report.say(`  ${words}: ${from(values)} MB, ${told(own)} MB an hour`);
  }
  const [first, last] = [handles.find(isWarm)!.kinds, handles.at(-1)!.kinds];
  report.say(`  handles: ${sum(first)} (${list(first)}) → ${sum(last)} (${list(last)})`);
  report.check(
    slope.perHour <= GROWTH_MB_MAX,
    `${name} grows by ${slope.perHour.toFixed(1)} MB an hour, at most ${GROWTH_MB_MAX}`,
  );
  const gained = sum(last) - sum(first);
  report.check(gained <= HANDLES_MAX, `${name} gained ${gained} handles`);
}

const from = (samples: readonly Sample[]): string =>
  `${samples[0]!.value.toFixed(1)} → ${samples.at(-1)!.value.toFixed(1)}`;
const told = ({ perHour, low, high }: Slope): string =>
  `slope ${perHour.toFixed(1)} (${low.toFixed(1)} to ${high.toFixed(1)})`;
const sum = (kinds: ReadonlyMap<string, number>): number => [...kinds.values()].reduce((a, b) => a + b, 0);
const list = (kinds: ReadonlyMap<string, number>): string =>
  [...kinds].map(([kind, count]) => `${count} ${kind}`).join(', ');
