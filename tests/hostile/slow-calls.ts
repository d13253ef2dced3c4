import { loadavg } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { CallTimes, RawAnswer } from '../support/raw-grpc.js';
import { METHODS } from './methods.js';
import type { HostileRequest } from './requests.js';

/** The calls that took longest, so that the next one that is slow can be told from a slow machine. */
export interface SlowCalls {
  note(
    request: Pick<HostileRequest, 'method' | 'making'>,
    index: number,
    answer: Pick<RawAnswer, 'messages' | 'times'>,
  ): void;
  /** Lines: the slowest call of each of the slowest RPCs, then how busy the campaign's own process was. */
  lines(): string[];
}

interface Slow {
  readonly what: string;
  readonly times: CallTimes;
  readonly messages: number;
  /** Load of the machine in the minute before its end. */
  readonly load: number;
}

const SHOWN = 10;

/** Nothing noted yet; the event loop of this process is looked at from here to `lines`. */
export function createSlowCalls(): SlowCalls {
  const slowest = new Map<string, Slow>();
  const before = performance.eventLoopUtilization();
  return {
    note({ method: { name }, making }, index, { messages, times }) {
      if (times.allMs <= (slowest.get(name)?.times.allMs ?? 0)) return;
      const what = `${name} (request ${index}, ${making})`;
      slowest.set(name, { what, times, messages: messages.length, load: loadavg()[0]! });
    },
    lines() {
      const busy = performance.eventLoopUtilization(before).utilization;
      const calls = [...slowest.values()].sort((a, b) => b.times.allMs - a.times.allMs).slice(0, SHOWN);
      return [
        `slowest calls of ${SHOWN} of ${METHODS.length} RPCs:`,
        ...calls.map(
          ({ what, times, messages, load }) =>
            `  ${what}: ${seconds(times.allMs)}, ${messages} messages, ` +
            `longest silence ${seconds(times.silenceMs)} after message ${times.silenceAfter}; load ${load.toFixed(1)}`,
        ),
        `  the campaign's own event loop was busy for ${Math.round(busy * 100)} % of the time`,
      ];
    },
  };
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
