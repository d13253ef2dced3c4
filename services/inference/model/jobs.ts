import { availableParallelism, freemem } from 'node:os';
import type { LinearShape } from './prepared.js';

/** Memory of one decomposition for each element of its matrix, measured at 4096×14336: 2.6 GB, some 45 bytes. */
const BYTES_PER_ELEMENT = 48;
/** A worker thread with its back end. */
const WORKER_BYTES = 100e6;

/** Multiplications that a decomposition costs, up to a factor that is alike for all: m·n·min(m, n). */
export function decompositionWork({ rows, columns }: LinearShape): number {
  return rows * columns * Math.min(rows, columns);
}

/**
 * How many matrices to decompose at a time: one a core, as far as free memory goes (each may be the largest), at least 1.
 * @param freeBytes memory that may be used; default: what the system has free.
 */
export function defaultJobs(
  linears: readonly LinearShape[],
  freeBytes = freemem(),
  cores = availableParallelism(),
): number {
  const elements = linears.reduce((most, { rows, columns }) => Math.max(most, rows * columns), 0);
  const fitting = Math.floor(freeBytes / (elements * BYTES_PER_ELEMENT + WORKER_BYTES));
  return Math.max(1, Math.min(cores, fitting, linears.length));
}

/** How far the decompositions are. Work is in the unit of `decompositionWork`. */
export interface Pace {
  /** Work of the matrices that are done, and the seconds that workers spent on them. */
  readonly doneWork: number;
  readonly doneSeconds: number;
  /** Work that is not done, running matrices included. */
  readonly openWork: number;
  /** Seconds that workers have spent on the running matrices so far. */
  readonly runningSeconds: number;
  readonly jobs: number;
}

/** Seconds left at the measured pace; null before the first matrix is done, since nothing is known then. */
export function secondsLeft({ doneWork, doneSeconds, openWork, runningSeconds, jobs }: Pace): number | null {
  if (doneWork === 0) return null;
  const workerSeconds = (openWork * doneSeconds) / doneWork - runningSeconds;
  return Math.max(0, workerSeconds / jobs);
}
