import { readdirSync } from 'node:fs';
import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { observeLevel, observeSum } from './instruments.js';

/** How often the event loop is looked at. */
const RESOLUTION_MS = 10;
/** The worst delay is that of the last one to two windows of this length, however often metrics are collected. */
const WINDOW_MS = 15_000;
const NS_PER_S = 1e9;
const DESCRIPTORS = '/proc/self/fd';

/** Measures this process: event loop, memory, CPU time, open files. Names as in the conventions for processes and Node. Call the result to stop. */
export function observeProcess(): () => void {
  const delay = eventLoopDelay();
  const started = performance.now();
  let utilization = performance.eventLoopUtilization();
  const stops = [
    observeLevel(
      { name: 'nodejs.eventloop.delay.max', unit: 's', description: 'Worst delay of the event loop of late' },
      () => [{ value: delay.maxS() }],
    ),
    observeLevel(
      { name: 'nodejs.eventloop.delay.p99', unit: 's', description: '99th percentile of those delays' },
      () => [{ value: delay.p99S() }],
    ),
    observeLevel(
      { name: 'nodejs.eventloop.utilization', unit: '1', description: 'Share of time that it was busy' },
      () => {
        const now = performance.eventLoopUtilization();
        const { utilization: value } = performance.eventLoopUtilization(now, utilization);
        utilization = now;
        return [{ value }];
      },
    ),
    observeLevel(
      { name: 'process.memory.usage', unit: 'By', description: 'Resident memory of the process' },
      () => [{ value: process.memoryUsage.rss() }],
    ),
    observeLevel({ name: 'process.uptime', unit: 's', description: 'Age of the process' }, () => [
      { value: (performance.now() - started) / 1000 },
    ]),
    observeLevel(
      {
        name: 'process.unix.file_descriptor.count',
        unit: '{file_descriptor}',
        description: 'Open files and sockets; only where the system tells',
      },
      () => openDescriptors().map((value) => ({ value })),
    ),
    observeSum({ name: 'process.cpu.time', unit: 's', description: 'CPU time of all threads' }, () => {
      const { user, system } = process.cpuUsage();
      return [
        { value: user / 1e6, attributes: { 'cpu.mode': 'user' } },
        { value: system / 1e6, attributes: { 'cpu.mode': 'system' } },
      ];
    }),
  ];
  return () => {
    for (const stop of stops) stop();
    delay.stop();
  };
}

/** Two windows, so that a delay is seen for a while whoever collects, and how often. */
function eventLoopDelay() {
  const window = (): IntervalHistogram => {
    const made = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    made.enable();
    return made;
  };
  let current = window();
  let previous: IntervalHistogram | undefined;
  const timer = setInterval(() => {
    previous?.disable();
    previous = current;
    previous.disable();
    current = window();
  }, WINDOW_MS).unref();
  // The histogram holds the times between two looks, of which RESOLUTION_MS are no delay.
  const seconds = (read: (histogram: IntervalHistogram) => number): number => {
    const ns = [current, previous]
      .filter((one) => one !== undefined && one.count > 0)
      .map((one) => read(one!));
    return Math.max(0, Math.max(0, ...ns) / NS_PER_S - RESOLUTION_MS / 1000);
  };
  return {
    maxS: () => seconds(({ max }) => max),
    p99S: () => seconds((histogram) => histogram.percentile(99)),
    stop(): void {
      clearInterval(timer);
      current.disable();
    },
  };
}

function openDescriptors(): readonly number[] {
  try {
    return [readdirSync(DESCRIPTORS).length];
  } catch {
    return [];
  }
}
