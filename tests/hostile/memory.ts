import type { CampaignResult } from './campaign.js';
import type { ServiceName } from './methods.js';

/** Resident bytes that a service may gain from the second tenth on: heaps grow before they are collected. */
const GROWTH_BYTES_MAX = 128 * 2 ** 20;

/** Services whose memory did not stay flat, one line each; says what each took. */
export function memoryFaults({ resident }: CampaignResult, say: (line: string) => void): string[] {
  return (Object.keys(resident) as ServiceName[]).flatMap((name) => {
    const series = resident[name];
    const [start, warm, end] = [series[0]!, series[2]!, series.at(-1)!];
    say(
      `${name}: ${mebibytes(start)} MiB at the start, ${mebibytes(warm)} warm, ${mebibytes(end)} in the end`,
    );
    if (end - warm <= GROWTH_BYTES_MAX) return [];
    return [`${name} grew by ${mebibytes(end - warm)} MiB, at most ${mebibytes(GROWTH_BYTES_MAX)}`];
  });
}

/** Whole mebibytes. */
export const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20);
